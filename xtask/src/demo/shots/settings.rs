//! The host's settings, with a Windows host of each language's own that runs and is linked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Album, Language, Studio, Subject};
use crate::demo::deployment::{COMMAND_LIMIT, Deployment};
use crate::demo::picture::Picture;
use crate::demo::stage::Stage;
use crate::exec::Call;
use crate::wine::Wine;

const SUBJECT: Subject = Subject {
    program: "tasuki-host-settings.exe",
    arguments: &[],
    side: 760,
};

const HOST: &str = "tasuki-host.exe";
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
    let mut album = Album::new(folder);
    let mut add = |stage: &mut Stage<'_>, name: &str, keys: &[&str], rest: u64| {
        let name = format!("settings-{name}");
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let is_unsaved = UNSAVED.iter().any(|unsaved| name.ends_with(unsaved));
        let rest = Duration::from_secs(rest);
        album.add_one(stage, studio, &name, &keys, rest, is_unsaved)
    };
    add(stage, "unprepared", &[], 4)?;
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
    Ok(album.pictures)
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
