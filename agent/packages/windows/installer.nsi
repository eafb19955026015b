; The installer for Windows: files, and commands of tasuki-host, which has all the logic.
; makensis is told VERSION, PROGRAMS (the folder of the executables) and OUT by `cargo xtask dist`.
; With SIGN, a program that signs the file which it is told, installer and uninstaller are signed.
;
; Silent: tasuki-setup.exe /S [/MODE=client|host|both] [/ENTRY=FILE] [/ID=NAME] [/D=FOLDER, last]
;         uninstall.exe /S
; Exit codes: 0 done, 1 stopped by the user, 2 failed.

Target amd64-unicode
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Tasuki"
!define HOST '"$INSTDIR\tasuki-host.exe"'

ManifestDPIAware true
RequestExecutionLevel admin
SetCompressor /SOLID lzma
Name "Tasuki"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\Tasuki"
InstallDirRegKey HKLM "${UNINSTALL}" "InstallLocation"
BrandingText " "

!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh

!ifdef SIGN
    !finalize '"${SIGN}" "%1"' = 0
    !uninstfinalize '"${SIGN}" "%1"' = 0
!endif

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
LangString HOST_TEXT ${LANG_ENGLISH} "For the office PC: makes it reachable from home, as a service."
LangString HOST_TEXT ${LANG_JAPANESE} "職場の PC 用: サービスとして動作し、自宅から接続できるようにします。"
LangString NO_ENTRY ${LANG_ENGLISH} "The host needs tasuki-entry.toml, which you have from whoever runs the relay: put it beside this installer, or name it with /ENTRY=FILE."
LangString NO_ENTRY ${LANG_JAPANESE} "ホストには、中継サーバーの運営者から受け取った tasuki-entry.toml が必要です。このインストーラーと同じフォルダーに置くか、/ENTRY=ファイル で指定してください。"
LangString SETTINGS ${LANG_ENGLISH} "Tasuki host settings"
LangString SETTINGS ${LANG_JAPANESE} "Tasuki ホストの設定"
LangString FAILED ${LANG_ENGLISH} "This failed:"
LangString FAILED ${LANG_JAPANESE} "次の処理に失敗しました:"
LangString STAYS ${LANG_ENGLISH} "Identity, password and logs stay in"
LangString STAYS ${LANG_JAPANESE} "識別情報、パスワード、ログは次の場所に残ります:"

Var MODE
Var ENTRY
Var ID

; Runs a command; whatever it says is shown, and a failure ends everything.
!macro Do COMMAND
    nsExec::ExecToStack '${COMMAND}'
    Pop $0
    Pop $1
    DetailPrint $1
    ${If} $0 != 0
        SetErrorLevel 2
        MessageBox MB_ICONSTOP|MB_OK `$(FAILED)$\n${COMMAND}$\n$\n$1` /SD IDOK
        Abort
    ${EndIf}
!macroend

Function .onInit
    SetRegView 64
    SetShellVarContext all
    ReadRegStr $MODE HKLM "${UNINSTALL}" "Mode"
    ReadRegStr $0 HKLM "${UNINSTALL}" "InstallLocation"
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
        SetErrorLevel 2
        MessageBox MB_ICONSTOP|MB_OK "/MODE=client|host|both" /SD IDOK
        Abort
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
    SetShellVarContext all
    Call LookForEntry
    ; The service runs the executable that is about to be replaced.
    ${If} ${FileExists} "$INSTDIR\tasuki-host.exe"
        nsExec::ExecToStack '${HOST} service stop'
        Pop $0
        Pop $1
    ${EndIf}
    SetOutPath "$INSTDIR"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "Tasuki"
    WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKLM "${UNINSTALL}" "Publisher" "Tasuki"
    WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
    WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
    WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1
    ${If} ${FileExists} "$ENTRY"
        CopyFiles /SILENT "$ENTRY" "$INSTDIR\tasuki-entry.toml"
    ${EndIf}
SectionEnd

Section $(CLIENT_NAME) CLIENT
    File "${PROGRAMS}\tasuki-client.exe"
    File "${PROGRAMS}\tasuki-client-window.exe"
SectionEnd

Section /o $(HOST_NAME) HOST_PART
    File "${PROGRAMS}\tasuki-host.exe"
    File "${PROGRAMS}\tasuki-host-settings.exe"
    Call ForgetSettings
    CreateShortcut "$SMPROGRAMS\$(SETTINGS).lnk" "$INSTDIR\tasuki-host-settings.exe"
    !insertmacro Do '${HOST} init $ID'
    !insertmacro Do '${HOST} service install'
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
    ${ElseIf} ${FileExists} "$INSTDIR\tasuki-host.exe"
        !insertmacro Do '${HOST} service remove'
        Delete "$INSTDIR\tasuki-host.exe"
        Delete "$INSTDIR\tasuki-host-settings.exe"
        Call ForgetSettings
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
    WriteRegStr HKLM "${UNINSTALL}" "Mode" $MODE
SectionEnd

; Before anything is changed: without an entry file the host would belong to nobody.
Function LookForEntry
    ${If} ${SectionIsSelected} ${HOST_PART}
    ${AndIfNot} ${FileExists} "$ENTRY"
    ${AndIfNot} ${FileExists} "$INSTDIR\tasuki-entry.toml"
        SetErrorLevel 2
        MessageBox MB_ICONSTOP|MB_OK "$(NO_ENTRY)" /SD IDOK
        Abort
    ${EndIf}
FunctionEnd

; The entry in the start menu, in whichever language it was made.
!macro ForgetSettings UN
    Function ${UN}ForgetSettings
        Delete "$SMPROGRAMS\Tasuki host settings.lnk"
        Delete "$SMPROGRAMS\Tasuki ホストの設定.lnk"
    FunctionEnd
!macroend
!insertmacro ForgetSettings ""
!insertmacro ForgetSettings "un."

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
    SetShellVarContext all
    ${If} ${FileExists} "$INSTDIR\tasuki-host.exe"
        !insertmacro Do '${HOST} service remove'
        DetailPrint "$(STAYS) $APPDATA\Tasuki"
    ${EndIf}
    Delete "$INSTDIR\tasuki-client.exe"
    Delete "$INSTDIR\tasuki-client-window.exe"
    Delete "$INSTDIR\tasuki-host.exe"
    Delete "$INSTDIR\tasuki-host-settings.exe"
    Call un.ForgetSettings
    Delete "$INSTDIR\tasuki-entry.toml"
    Delete "$INSTDIR\uninstall.exe"
    ; Only when nothing else lies in it.
    RMDir "$INSTDIR"
    DeleteRegKey HKLM "${UNINSTALL}"
SectionEnd
