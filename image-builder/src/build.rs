//! The story of an image: from a board's name to a planned disk with everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::assemble::{self, Assembled, Sources};
use crate::board::Board;
use crate::identity::Hash;
use crate::manifest::Inputs;
use crate::package::{Lock, Locked};
use crate::programs::{self, Programs};
use crate::root::{self, Entry};
use crate::sbom::{self, Component, Contents, Origin};
use crate::settings;
use crate::workplace::Workplace;

/// An image before it is written.
#[derive(Debug)]
pub struct Built {
    pub assembled: Assembled,
    pub inputs: Inputs,
    /// CycloneDX.
    pub sbom: String,
    /// Compiler and tools.
    pub recipe: Value,
}

/// The programs of a board: those in `folder`, else compiled.
pub fn programs(workplace: &Workplace, name: &str, folder: Option<&Path>) -> Result<Programs> {
    if let Some(folder) = folder {
        return Ok(Programs::read(folder)?);
    }
    let architecture = workplace.board(name)?.architecture;
    let step = "compiling relay, board program and first stage";
    let _step = workplace.progress.step(step, 0);
    let cache = workplace.cache("programs")?;
    let (shell, source) = (workplace.shell, &workplace.source);
    Ok(programs::build(shell, source, architecture, &cache)?)
}

/// Builds the image of a board.
pub fn build(
    workplace: &Workplace,
    name: &str,
    version: &str,
    programs: &Programs,
) -> Result<Built> {
    let progress = &workplace.progress;
    let board = workplace.board(name)?;
    let lock = workplace.lock(board.architecture)?;
    let packages: Vec<&Locked> = lock.of_board(&board).collect();
    let tools_lock = workplace.tools_lock()?;
    let tools = workplace.tools()?;
    let mut inputs = inputs(workplace, &board, version, &packages, &tools_lock, programs)?;
    // Every file has it, also if the packages are the same.
    let time = lock.time.to_string();
    inputs.add("lock", "time", &time, Hash::of(time.as_bytes()));
    let seed = inputs.seed();
    let folder = tempfile::tempdir().context("no room for temporary files")?;
    let ours = [
        ("usr/bin/tasuki-relay", programs.relay.as_slice()),
        ("usr/bin/tasuki-board", programs.board.as_slice()),
    ];
    let folder = folder.path();
    let mut made = root::build(
        workplace,
        |name| tools.call(name),
        &board,
        &lock,
        version,
        &ours,
        folder,
    )?;
    settings::add(&mut made.root, &board, version)?;
    let contents = contents(workplace, &board, &packages, &made.present, programs)?;
    let sbom = contents.document(name, version, &seed);
    for (path, text) in [(sbom::PLACE, &sbom), (sbom::LIST, &contents.list())] {
        made.root.insert(path, Entry::file(text.as_bytes()))?;
    }
    let root = {
        let _step = progress.step("packing the root", 0);
        root::erofs(
            &made.root,
            seed.uuid("root"),
            tools.call("mkfs.erofs"),
            folder,
        )?
    };
    let assembled = {
        let _step = progress.step("assembling the disk", 0);
        let sources = Sources {
            board: &board,
            version,
            kernel_version: &made.kernel_version,
            kernel: &made.kernel,
            firmware: &made.firmware,
            modules: &made.root,
            first_stage: &programs.first_stage,
            root,
            seed,
            time: lock.time,
        };
        assemble::assemble(sources, |name| tools.call(name), folder)?
    };
    Ok(Built {
        assembled,
        sbom,
        recipe: recipe(name, version, &tools_lock, programs),
        inputs,
    })
}

/// Everything that goes into the image, by its hash.
fn inputs(
    workplace: &Workplace,
    board: &Board,
    version: &str,
    packages: &[&Locked],
    tools: &Lock,
    programs: &Programs,
) -> Result<Inputs> {
    let mut inputs = Inputs::default();
    let builder = env!("CARGO_PKG_VERSION");
    inputs.add("image", &board.name, version, Hash::of(version.as_bytes()));
    inputs.add("builder", "tasuki", builder, Hash::of(builder.as_bytes()));
    for package in packages {
        inputs.add("package", &package.name, &package.version, package.sha256);
    }
    for package in &tools.packages {
        inputs.add("tool", &package.name, &package.version, package.sha256);
    }
    for (name, _, bytes) in programs.all() {
        inputs.add("program", name, "", Hash::of(bytes));
    }
    for path in files(workplace, &board.name)? {
        let bytes = fs::read(workplace.source.join(&path))
            .with_context(|| format!("cannot read {path}"))?;
        inputs.add("file", &path, "", Hash::of(&bytes));
    }
    Ok(inputs)
}

/// Paths of the checkout's files that say what the board's image is like.
fn files(workplace: &Workplace, board: &str) -> Result<Vec<String>> {
    let mut files = ["contents", "packages", "users"]
        .map(|name| format!("boards/{name}.toml"))
        .to_vec();
    let mut next = Some(board.to_owned());
    while let Some(name) = next {
        let file = format!("{name}.toml");
        let table: toml::Table = workplace.read(&file)?.parse()?;
        next = table
            .get("inherit")
            .and_then(|parent| parent.as_str())
            .map(str::to_owned);
        files.push(format!("boards/{file}"));
    }
    below(&workplace.source, Path::new("systemd"), &mut files)?;
    Ok(files)
}

fn below(source: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let place = source.join(folder);
    let entries =
        fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            below(source, &path, files)?;
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// What of the packages is in the image, and our programs with their crates.
fn contents(
    workplace: &Workplace,
    board: &Board,
    packages: &[&Locked],
    present: &BTreeSet<String>,
    programs: &Programs,
) -> Result<Contents> {
    let cargo_lock = workplace.source.join("Cargo.lock");
    let cargo_lock = fs::read_to_string(cargo_lock).context("cannot read Cargo.lock")?;
    let packages = packages.iter();
    let packages = packages.filter(|package| present.contains(&package.name));
    let mut contents = Contents {
        packages: packages.map(|package| component(package, board)).collect(),
        programs: Vec::new(),
    };
    for (name, _, bytes) in programs.all() {
        let listing = programs.crates.get(name).map_or("", String::as_str);
        let program = Component {
            origin: Origin::Ours,
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sha256: Some(Hash::of(bytes).to_string()),
        };
        let crates = sbom::crates(listing, &cargo_lock)?;
        contents.programs.push((program, crates));
    }
    Ok(contents)
}

fn component(package: &Locked, board: &Board) -> Component {
    let all = package.path.ends_with("_all.deb");
    Component {
        origin: if all {
            Origin::DebianAll
        } else {
            Origin::Debian(board.architecture)
        },
        name: package.name.clone(),
        version: package.version.clone(),
        sha256: Some(package.sha256.to_string()),
    }
}

/// For a person who wants the same bytes.
fn recipe(name: &str, version: &str, tools: &Lock, programs: &Programs) -> Value {
    let tools: BTreeMap<&str, &str> = tools
        .packages
        .iter()
        .map(|tool| (tool.name.as_str(), tool.version.as_str()))
        .collect();
    json!({
        "command": format!("tasuki image build --board {name} --image-version {version}"),
        "compiler": programs.compiler.lines().collect::<Vec<_>>(),
        "tools": tools,
    })
}
