//! The host's settings, with a Windows host of each language's own that runs and is linked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Album, End, Language, Shot, Studio, Subject};
use crate::demo::deployment::{COMMAND_LIMIT, Deployment};
use crate::demo::picture::Picture;
use crate::demo::shared::RUN;
use crate::demo::stage::Stage;
use crate::exec::Call;
use crate::wine::Wine;

const SUBJECT: Subject = Subject {
    program: "tasuki-host-settings.exe",
    arguments: &[],
    side: 760,
};

const HOST: &str = "tasuki-host.exe";
const STARTER: &str = "tasuki-host-background.exe";
/// The program that shares a desktop has to be there. Nobody connects, so any other will do.
const DESKTOP: &str = "tasuki-desktop.exe";
const STAND_IN: &str = "passage.exe";
/// What the registry calls the host that a logon starts.
const NAME: &str = "Tasuki host";
const GOOD: &str = "type Quiet-Maple-4071";
const OTHER: &str = "type Quiet-Maple-4072";
/// States in which something has been typed and not saved.
const UNSAVED: [&str; 4] = [
    "weak-password",
    "passwords-differ",
    "bad-rule",
    "no-proxy-password",
];
/// What somebody has written before, and the window has to leave as it is.
const BY_HAND: &str = "# by hand\nmax_sessions = 4 # enough\n";

/// Every state; each leaves the host richer for the next.
pub(super) fn shoot(
    stage: &mut Stage<'_>,
    studio: &mut Studio<'_>,
    deployment: &Deployment<'_>,
    updated: &Path,
    folder: &Path,
) -> Result<Vec<(String, Picture)>> {
    studio.turn_to(SUBJECT, "office")?;
    bring_programs(studio)?;
    let mut album = Album::new(folder);
    let mut add = |stage: &mut Stage<'_>, name: &str, keys: &[&str], rest: u64| {
        let end = if UNSAVED.contains(&name) {
            End::Warned
        } else {
            End::AtOnce
        };
        Language::ALL.into_iter().try_for_each(|language| {
            add_one(&mut album, stage, studio, language, (name, keys, rest), end)
        })
    };
    add(stage, "unprepared", &[], 4)?;
    for language in Language::ALL {
        introduce(stage, studio, &deployment.entry_file, language)?;
    }
    add(stage, "no-password", &["key alt+h"], 4)?;
    for language in Language::ALL {
        start_host(stage, studio, deployment, language)?;
    }
    add(stage, "linked", &[], 4)?;
    add(stage, "no-update-address", &["key alt+f"], 4)?;
    add(stage, "weak-password", &["key alt+p", "type Abc12"], 3)?;
    let differ = ["key alt+p", GOOD, "key alt+g", OTHER, "key Return"];
    add(stage, "passwords-differ", &differ, 3)?;
    let bad_rule = ["key alt+r", "type allow 192.0.2.0/24", "key alt+s"];
    add(stage, "bad-rule", &bad_rule, 3)?;
    let user = [
        "key alt+x",
        "key Down",
        "key Down",
        "key alt+e",
        "type proxy.example:8080",
    ];
    let user = [&user[..], &["key alt+u", "type tasuki", "key Return"]].concat();
    add(stage, "no-proxy-password", &user, 3)?;
    add(stage, "unsaved", &["key alt+k", "key Escape"], 3)?;
    let same = ["key alt+p", GOOD, "key alt+g", GOOD, "key Return"];
    add(stage, "password-saved", &same, 10)?;
    let taken = ["key alt+i", "type demo-office-pc", "key Return"];
    add(stage, "name-taken", &taken, 12)?;
    let rules = [
        "key alt+r",
        "type permit 127.0.0.1",
        "key Return",
        "type deny ::/0",
    ];
    let rules = [&rules[..], &["key alt+k", "key alt+s"]].concat();
    add(stage, "rules-saved", &rules, 6)?;
    let protect = [
        "key alt+o",
        "key alt+d",
        GOOD,
        "key alt+n",
        GOOD,
        "key Return",
    ];
    add(stage, "protected", &protect, 10)?;
    add(stage, "asks", &[], 3)?;
    add(stage, "asks-again", &["type wrong", "key Return"], 6)?;
    add(stage, "opened", &[GOOD, "key Return"], 6)?;
    for language in Language::ALL {
        look_at_host(stage, studio, language)?;
    }
    add(stage, "mistakes", &[], 4)?;
    for language in Language::ALL {
        stage.end(&host_name(language))?;
    }
    add(stage, "stopped", &[], 4)?;
    for language in Language::ALL {
        fs::write(settings_of(studio, language), BY_HAND)?;
        introduce(stage, studio, updated, language)?;
    }
    add(stage, "new-version", &["key alt+f"], 6)?;
    for language in Language::ALL {
        share(&mut album, stage, studio, language)?;
    }
    Ok(album.pictures)
}

/// What the window needs to start a host.
fn bring_programs(studio: &Studio<'_>) -> Result<()> {
    for (program, name) in [(STARTER, STARTER), (STAND_IN, DESKTOP)] {
        fs::copy(studio.programs.join(program), studio.folder.join(name))?;
    }
    Ok(())
}

/// `what` is the state's name, the keys to it, and how many seconds it rests.
fn add_one(
    album: &mut Album<'_>,
    stage: &mut Stage<'_>,
    studio: &Studio<'_>,
    language: Language,
    what: (&str, &[&str], u64),
    end: End<'_>,
) -> Result<()> {
    let (name, keys, rest) = what;
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let shot = Shot {
        name: &format!("settings-{name}"),
        keys: &keys,
        rest: Duration::from_secs(rest),
        end,
    };
    album.add_one(stage, studio, language, &shot)
}

/// The window starts the host and ends it in order, and lets Windows start it.
fn share(
    album: &mut Album<'_>,
    stage: &mut Stage<'_>,
    studio: &Studio<'_>,
    language: Language,
) -> Result<()> {
    let before = log_of(studio, language)?;
    // Wine's desktop would stay for as long as the host.
    let end = End::After(&["key alt+h"]);
    let shared = ("shared", &["key alt+h"][..], 8);
    add_one(album, stage, studio, language, shared, end)?;
    let again = ["key alt+h", "sleep 15", "key alt+h"];
    let ended = ("no-longer-shared", &again[..], 8);
    add_one(album, stage, studio, language, ended, End::AtOnce)?;
    let after = log_of(studio, language)?;
    for event in ["Host starts", "Linked", "Host stops"] {
        let count = |log: &str| log.matches(event).count();
        ensure!(
            count(&after) == count(&before) + 2,
            "not twice \"{event}\" in {}",
            after.trim_start_matches(&before)
        );
    }

    let at_logon = ("at-logon", &["key alt+v", "key alt+s"][..], 4);
    add_one(album, stage, studio, language, at_logon, End::AtOnce)?;
    let query = |stage: &Stage<'_>| {
        let call = |loader: &str| stage.call(loader);
        let call = studio.wine.call(call, Path::new("reg"));
        call.args(["query", RUN, "/v", NAME]).finish(COMMAND_LIMIT)
    };
    let said = query(stage)?.stdout;
    let state = Wine::path(&studio.state(language));
    ensure!(
        said.contains(STARTER) && said.contains(&state),
        "at a logon Windows starts {said}"
    );
    let off = host(stage, studio, language).args(["autostart", "off"]);
    off.output(COMMAND_LIMIT)?;
    ensure!(!query(stage)?.status.success(), "Windows still starts it");
    Ok(())
}

/// All that a host has logged.
fn log_of(studio: &Studio<'_>, language: Language) -> Result<String> {
    let mut log = String::new();
    for file in fs::read_dir(studio.state(language).join("host/log"))? {
        log.push_str(&fs::read_to_string(file?.path())?);
    }
    Ok(log)
}

fn host_name(language: Language) -> String {
    format!("host-{}", language.locale())
}

fn host<'a>(stage: &Stage<'a>, studio: &Studio<'_>, language: Language) -> Call<'a> {
    let program = studio.folder.join(HOST);
    let state = Wine::path(&studio.state(language));
    let call = |loader: &str| stage.call(loader);
    studio.wine.call(call, &program).args(["--state", &state])
}

fn settings_of(studio: &Studio<'_>, language: Language) -> PathBuf {
    studio.state(language).join("host.toml")
}

fn start_host(
    stage: &mut Stage<'_>,
    studio: &Studio<'_>,
    deployment: &Deployment<'_>,
    language: Language,
) -> Result<()> {
    introduce(stage, studio, &deployment.entry_file, language)?;
    fs::write(settings_of(studio, language), BY_HAND)?;
    let run = host(stage, studio, language).arg("run");
    stage.start(&host_name(language), run)?;
    Deployment::wait_for_link(stage, |stage| host(stage, studio, language))
}

fn introduce(
    stage: &Stage<'_>,
    studio: &Studio<'_>,
    entry: &Path,
    language: Language,
) -> Result<()> {
    let id = format!("soumu-{}", language.locale());
    host(stage, studio, language)
        .args(["init", "--id", &id, "--entry"])
        .arg(Wine::path(entry))
        .output(COMMAND_LIMIT)?;
    Ok(())
}

/// What was typed into the window has to hold in the host that runs. Then the window's password
/// is taken away from outside, and a mistake gets into the file.
fn look_at_host(stage: &mut Stage<'_>, studio: &Studio<'_>, language: Language) -> Result<()> {
    let file = settings_of(studio, language);
    let text = fs::read_to_string(&file)?;
    let rules = "[[address_rule]]\npermit = \"127.0.0.1\"\n\n[[address_rule]]\ndeny = \"::/0\"\n";
    ensure!(
        text.starts_with("# by hand\nmax_sessions = 4 # enough\n")
            && text.contains("stay_awake = false\n")
            && text.ends_with(rules),
        "host.toml says: {text}"
    );
    let status = host(stage, studio, language).args(["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.output(COMMAND_LIMIT)?)?;
    ensure!(
        status["password_set"] == true && status["refused_settings"].is_null(),
        "the host says: {status}"
    );
    host(stage, studio, language)
        .args(["protect-settings", "--off"])
        .output(COMMAND_LIMIT)?;
    fs::write(&file, format!("no_such_key = 1\n{text}"))?;
    let reload = host(stage, studio, language).arg("reload");
    let refused = reload.finish(COMMAND_LIMIT)?;
    ensure!(
        refused.stderr.contains("no_such_key"),
        "a mistake is told as: {}",
        refused.stderr
    );
    Ok(())
}
