; The installers for Windows: files, and commands of tasuki-host, which has all the logic.
; makensis is told VERSION, PROGRAMS (the folder of the executables) and OUT by `cargo xtask dist`.
; With USER it is for one user, who needs no administrator: the host is in user mode, and nothing
; lies outside of the user's own folders. Without, it is for a PC, and the host is a service.
; With SIGN, a program that signs the file which it is told, installer and uninstaller are signed.
;
; Silent: tasuki-setup.exe /S [/MODE=client|host|both] [/ENTRY=FILE] [/ID=NAME] [/D=FOLDER, last]
;         uninstall.exe /S
; Exit codes: 0 done, 1 stopped by the user, 2 failed.

Target amd64-unicode
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Tasuki"
!define SERVICE "SYSTEM\CurrentControlSet\Services\tasuki-host"
!define HOST '"$INSTDIR\tasuki-host.exe"'
!define ICON "..\..\resources\tasuki.ico"

!ifdef USER
    !define HIVE HKCU
    !define WHOSE current
    !define TITLE "Tasuki (User)"
    ; Also for a user who runs this as an administrator.
    !define STATE '--state "$LOCALAPPDATA\Tasuki"'
    !define CLIENT_STATE '${STATE}'
    ; So that Windows starts no host that has gone.
    !define FORGET '${STATE} autostart off'
    InstallDir "$LOCALAPPDATA\Programs\Tasuki"
    RequestExecutionLevel user
!else
    !define HIVE HKLM
    !define WHOSE all
    !define TITLE "Tasuki"
    !define STATE ""
    ; Each user has one; an administrator's says nothing about it.
    !define CLIENT_STATE '--state "$PLUGINSDIR\client"'
    !define FORGET 'service remove'
    InstallDir "$PROGRAMFILES64\Tasuki"
    RequestExecutionLevel admin
!endif

ManifestDPIAware true
SetCompressor /SOLID lzma
Name "Tasuki"
OutFile "${OUT}"
InstallDirRegKey ${HIVE} "${UNINSTALL}" "InstallLocation"
BrandingText " "

!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh

!ifdef SIGN
    !finalize '"${SIGN}" "%1"' = 0
    !uninstfinalize '"${SIGN}" "%1"' = 0
!endif

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE English
!insertmacro MUI_LANGUAGE Japanese

LangString CLIENT_NAME ${LANG_ENGLISH} "Client"
LangString CLIENT_NAME ${LANG_JAPANESE} "クライアント"
LangString CLIENT_TEXT ${LANG_ENGLISH} "For the PC at home: shows an office PC."
LangString CLIENT_TEXT ${LANG_JAPANESE} "自宅の PC 用: 職場の PC の画面を表示します。"
LangString HOST_NAME ${LANG_ENGLISH} "Host"
LangString HOST_NAME ${LANG_JAPANESE} "ホスト"
!ifdef USER
    LangString HOST_TEXT ${LANG_ENGLISH} "For the office PC: shares the desktop that you are logged on to, for as long as it runs."
    LangString HOST_TEXT ${LANG_JAPANESE} "職場の PC 用: 動作している間、ログオン中の画面を自宅から使えるようにします。"
    LangString SERVED ${LANG_ENGLISH} "On this PC the host is a service that an administrator has installed. Nobody else may have another one; ask whoever looks after this PC."
    LangString SERVED ${LANG_JAPANESE} "この PC では、管理者がインストールしたホストがサービスとして動作しています。別のホストはインストールできません。PC の管理者に確認してください。"
!else
    LangString HOST_TEXT ${LANG_ENGLISH} "For the office PC: makes it reachable from home, as a service."
    LangString HOST_TEXT ${LANG_JAPANESE} "職場の PC 用: サービスとして動作し、自宅から接続できるようにします。"
!endif
; Names of files: without any of \ / : * ? and so on.
LangString SETTINGS ${LANG_ENGLISH} "Tasuki host settings"
LangString SETTINGS ${LANG_JAPANESE} "Tasuki ホストの設定"
LangString NO_ENTRY ${LANG_ENGLISH} "The host needs tasuki-entry.toml, which you have from whoever runs the relay: put it beside this installer, or name it with /ENTRY=FILE."
LangString NO_ENTRY ${LANG_JAPANESE} "ホストには、中継サーバーの運営者から受け取った tasuki-entry.toml が必要です。このインストーラーと同じフォルダーに置くか、/ENTRY=ファイル で指定してください。"
LangString IN_USE ${LANG_ENGLISH} "This program is running. Close it, then start again:"
LangString IN_USE ${LANG_JAPANESE} "次のプログラムが動作しています。終了してから、もう一度実行してください:"
LangString WAY ${LANG_ENGLISH} "A relay can be reached from here."
LangString WAY ${LANG_JAPANESE} "ここから中継サーバーに接続できます。"
LangString NO_WAY ${LANG_ENGLISH} "Tasuki is installed, but no relay can be reached from here yet."
LangString NO_WAY ${LANG_JAPANESE} "Tasuki をインストールしましたが、ここからはまだ中継サーバーに接続できません。"
LangString FAILED ${LANG_ENGLISH} "This failed:"
LangString FAILED ${LANG_JAPANESE} "次の処理に失敗しました:"
LangString STAYS ${LANG_ENGLISH} "Identity, password and logs stay in"
LangString STAYS ${LANG_JAPANESE} "識別情報、パスワード、ログは次の場所に残ります:"

Var MODE
Var ENTRY
Var ID
!ifdef USER
    ; Whether a host was ended, and is to run again.
    Var ENDED
!endif

; Says why not, and ends.
!macro Refuse TEXT
    SetErrorLevel 2
    MessageBox MB_ICONSTOP|MB_OK `${TEXT}` /SD IDOK
    Abort
!macroend

; Runs a command; whatever it says is shown, and a failure ends everything.
!macro Do COMMAND
    nsExec::ExecToStack '${COMMAND}'
    Pop $0
    Pop $1
    DetailPrint $1
    ${If} $0 != 0
        !insertmacro Refuse `$(FAILED)$\n${COMMAND}$\n$\n$1`
    ${EndIf}
!macroend

; What is selected at first: what was asked for, otherwise what is installed.
Function .onInit
    SetRegView 64
    SetShellVarContext ${WHOSE}
    ReadRegStr $MODE ${HIVE} "${UNINSTALL}" "Mode"
    ReadRegStr $0 ${HIVE} "${UNINSTALL}" "InstallLocation"
    ${If} $0 != ""
        StrCpy $INSTDIR $0
    ${EndIf}
    ${GetParameters} $0
    ${GetOptions} $0 "/MODE=" $1
    ${IfNot} ${Errors}
        StrCpy $MODE $1
    ${EndIf}
    ${If} $MODE == ""
        StrCpy $MODE "client"
    ${EndIf}
    ${If} $MODE != "client"
    ${AndIf} $MODE != "host"
    ${AndIf} $MODE != "both"
        !insertmacro Refuse "/MODE=client|host|both"
    ${EndIf}
    ClearErrors
    ${GetOptions} $0 "/ENTRY=" $ENTRY
    ${If} ${Errors}
        StrCpy $ENTRY "$EXEDIR\tasuki-entry.toml"
    ${EndIf}
    ${GetOptions} $0 "/ID=" $ID
    ${If} $ID != ""
        StrCpy $ID "--id $ID"
    ${EndIf}
    Call ChooseSections
FunctionEnd

Section -Before
    SetRegView 64
    SetShellVarContext ${WHOSE}
    Call LookForObstacles
    Call EndPrograms
    InitPluginsDir
    SetOutPath "$INSTDIR"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    WriteRegStr ${HIVE} "${UNINSTALL}" "DisplayName" "${TITLE}"
    WriteRegStr ${HIVE} "${UNINSTALL}" "DisplayIcon" "$INSTDIR\uninstall.exe"
    WriteRegStr ${HIVE} "${UNINSTALL}" "DisplayVersion" "${VERSION}"
    WriteRegStr ${HIVE} "${UNINSTALL}" "Publisher" "Tasuki"
    WriteRegStr ${HIVE} "${UNINSTALL}" "InstallLocation" "$INSTDIR"
    WriteRegStr ${HIVE} "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr ${HIVE} "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD ${HIVE} "${UNINSTALL}" "NoModify" 1
    WriteRegDWORD ${HIVE} "${UNINSTALL}" "NoRepair" 1
    ${If} ${FileExists} "$ENTRY"
        CopyFiles /SILENT "$ENTRY" "$INSTDIR\tasuki-entry.toml"
    ${EndIf}
    ; Made anew by what is selected; some may have names in another language.
    Delete "$SMPROGRAMS\Tasuki\*.lnk"
    CreateDirectory "$SMPROGRAMS\Tasuki"
SectionEnd

Section $(CLIENT_NAME) CLIENT
    File "${PROGRAMS}\tasuki-client.exe"
    File "${PROGRAMS}\tasuki-client-window.exe"
    CreateShortcut "$SMPROGRAMS\Tasuki\Tasuki.lnk" "$INSTDIR\tasuki-client-window.exe"
SectionEnd

Section /o $(HOST_NAME) HOST_PART
    File "${PROGRAMS}\tasuki-host.exe"
    File "${PROGRAMS}\tasuki-host-settings.exe"
    CreateShortcut "$SMPROGRAMS\Tasuki\$(SETTINGS).lnk" "$INSTDIR\tasuki-host-settings.exe" '${STATE}'
    !insertmacro Do '${HOST} ${STATE} init $ID'
    !ifdef USER
        File "${PROGRAMS}\tasuki-host-background.exe"
        File "${PROGRAMS}\tasuki-desktop.exe"
        ${If} $ENDED == 1
            Exec '"$INSTDIR\tasuki-host-background.exe" ${STATE}'
        ${EndIf}
    !else
        !insertmacro Do '${HOST} service install'
    !endif
SectionEnd

Section -After
    StrCpy $0 0
    ${If} ${SectionIsSelected} ${CLIENT}
        IntOp $0 $0 | 1
    ${Else}
        Delete "$INSTDIR\tasuki-client.exe"
        Delete "$INSTDIR\tasuki-client-window.exe"
    ${EndIf}
    ${If} ${SectionIsSelected} ${HOST_PART}
        IntOp $0 $0 | 2
    ${Else}
        ${If} ${FileExists} "$INSTDIR\tasuki-host.exe"
            !insertmacro Do '${HOST} ${FORGET}'
        ${EndIf}
        Delete "$INSTDIR\tasuki-host.exe"
        Delete "$INSTDIR\tasuki-host-background.exe"
        Delete "$INSTDIR\tasuki-host-settings.exe"
        Delete "$INSTDIR\tasuki-desktop.exe"
    ${EndIf}
    ${Switch} $0
    ${Case} 1
        StrCpy $MODE "client"
        ${Break}
    ${Case} 2
        StrCpy $MODE "host"
        ${Break}
    ${Default}
        StrCpy $MODE "both"
    ${EndSwitch}
    WriteRegStr ${HIVE} "${UNINSTALL}" "Mode" $MODE
    Call TryTheWay
SectionEnd

; Before anything is changed.
Function LookForObstacles
    ${IfNot} ${SectionIsSelected} ${HOST_PART}
        Return
    ${EndIf}
    !ifdef USER
        ReadRegStr $0 HKLM "${SERVICE}" "ImagePath"
        ${If} $0 != ""
            !insertmacro Refuse "$(SERVED)"
        ${EndIf}
    !endif
    ; Without an entry file the host would belong to nobody.
    ${IfNot} ${FileExists} "$ENTRY"
    ${AndIfNot} ${FileExists} "$INSTDIR\tasuki-entry.toml"
        !insertmacro Refuse "$(NO_ENTRY)"
    ${EndIf}
FunctionEnd

; Windows changes no file of a program that runs. People close windows themselves; the host is
; ended.
!macro EndPrograms UN
    Function ${UN}EndPrograms
        StrCpy $R0 "$INSTDIR\tasuki-client.exe"
        Call ${UN}WaitForEnd
        StrCpy $R0 "$INSTDIR\tasuki-host-settings.exe"
        Call ${UN}WaitForEnd
        !ifdef USER
            StrCpy $ENDED 0
        !endif
        ${If} ${FileExists} "$INSTDIR\tasuki-host.exe"
            !ifdef USER
                nsExec::ExecToStack '${HOST} ${STATE} stop'
            !else
                nsExec::ExecToStack '${HOST} service stop'
            !endif
            Pop $0
            Pop $1
            !ifdef USER
                ${If} $0 != 0
                    ; None runs; or it is too old to know that command, damaged, or hangs.
                    ClearErrors
                    FileOpen $1 "$INSTDIR\tasuki-host.exe" a
                    ${If} ${Errors}
                        nsExec::ExecToStack '"$SYSDIR\taskkill.exe" /F /IM tasuki-host.exe'
                        Pop $0
                        Pop $1
                    ${Else}
                        FileClose $1
                    ${EndIf}
                ${EndIf}
                ${If} $0 == 0
                    StrCpy $ENDED 1
                ${EndIf}
            !endif
        ${EndIf}
        StrCpy $R0 "$INSTDIR\tasuki-host.exe"
        Call ${UN}WaitForEnd
        StrCpy $R0 "$INSTDIR\tasuki-desktop.exe"
        Call ${UN}WaitForEnd
    FunctionEnd

    ; Gives the program $R0 some seconds to end.
    Function ${UN}WaitForEnd
        ${ForEach} $0 1 100 + 1
            ${IfNot} ${FileExists} $R0
                Return
            ${EndIf}
            ClearErrors
            FileOpen $1 $R0 a
            ${IfNot} ${Errors}
                FileClose $1
                Return
            ${EndIf}
            Sleep 100
        ${Next}
        !insertmacro Refuse "$(IN_USE)$\n$R0"
    FunctionEnd
!macroend
!insertmacro EndPrograms ""
!insertmacro EndPrograms "un."

; Whether a relay can be reached from here, and which step fails. It stays in a file for whoever
; installs silently, and counts for nothing: the network may come later.
Function TryTheWay
    ${IfNot} ${FileExists} "$INSTDIR\tasuki-entry.toml"
        Return
    ${EndIf}
    StrCpy $0 '"$INSTDIR\tasuki-client.exe" ${CLIENT_STATE}'
    ${If} ${SectionIsSelected} ${HOST_PART}
        StrCpy $0 '${HOST} ${STATE}'
    ${EndIf}
    StrCpy $1 ""
    ${If} $LANGUAGE == ${LANG_JAPANESE}
        StrCpy $1 "--japanese"
    ${EndIf}
    nsExec::ExecToStack '"$SYSDIR\cmd.exe" /c "$0 check $1 > "$INSTDIR\check.txt" 2>&1"'
    Pop $0
    Pop $1
    ; It is UTF-8, which NSIS does not read. Each byte becomes one letter at most, and all of them
    ; have room in a variable.
    System::Alloc ${NSIS_MAX_STRLEN}
    Pop $1
    IntOp $3 ${NSIS_MAX_STRLEN} - 1
    FileOpen $2 "$INSTDIR\check.txt" r
    System::Call 'kernel32::ReadFile(p r2, p r1, i r3, *i 0, p 0)'
    FileClose $2
    System::Call 'kernel32::MultiByteToWideChar(i 65001, i 0, p r1, i -1, w .r3, i ${NSIS_MAX_STRLEN})'
    System::Free $1
    ${If} $0 == 0
        DetailPrint "$(WAY)"
    ${Else}
        DetailPrint "$(NO_WAY)"
        MessageBox MB_ICONEXCLAMATION|MB_OK "$(NO_WAY)$\n$\n$3" /SD IDOK
    ${EndIf}
FunctionEnd

Function ChooseSections
    !insertmacro UnselectSection ${CLIENT}
    !insertmacro UnselectSection ${HOST_PART}
    ${If} $MODE != "host"
        !insertmacro SelectSection ${CLIENT}
    ${EndIf}
    ${If} $MODE != "client"
        !insertmacro SelectSection ${HOST_PART}
    ${EndIf}
FunctionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
    !insertmacro MUI_DESCRIPTION_TEXT ${CLIENT} $(CLIENT_TEXT)
    !insertmacro MUI_DESCRIPTION_TEXT ${HOST_PART} $(HOST_TEXT)
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section Uninstall
    SetRegView 64
    SetShellVarContext ${WHOSE}
    Call un.EndPrograms
    ${If} ${FileExists} "$INSTDIR\tasuki-host.exe"
        !insertmacro Do '${HOST} ${FORGET}'
        !ifdef USER
            DetailPrint "$(STAYS) $LOCALAPPDATA\Tasuki"
        !else
            DetailPrint "$(STAYS) $APPDATA\Tasuki"
        !endif
    ${EndIf}
    Delete "$INSTDIR\tasuki-client.exe"
    Delete "$INSTDIR\tasuki-client-window.exe"
    Delete "$INSTDIR\tasuki-host.exe"
    Delete "$INSTDIR\tasuki-host-background.exe"
    Delete "$INSTDIR\tasuki-host-settings.exe"
    Delete "$INSTDIR\tasuki-desktop.exe"
    Delete "$INSTDIR\tasuki-entry.toml"
    Delete "$INSTDIR\check.txt"
    Delete "$INSTDIR\uninstall.exe"
    Delete "$SMPROGRAMS\Tasuki\*.lnk"
    DeleteRegKey ${HIVE} "${UNINSTALL}"
    ; Only when nothing else lies in them.
    RMDir "$SMPROGRAMS\Tasuki"
    RMDir "$INSTDIR"
SectionEnd
