//! Users and groups: the same numbers in every image, or files on the data partition would change
//! hands with an update.
//!
//! Debian's fixed ones come from `base-passwd`; all others have their number in `boards/users.toml`.
//! `sysusers.d` is read only to notice a user that nobody has given a number.

use std::fmt::Write;

use protocol::file::reader::{Problems, read};

use super::{Entry, Tree, TreeError};

const MASTERS: &str = "usr/share/base-passwd";
const SYSUSERS: &str = "usr/lib/sysusers.d";
const NO_SHELL: &str = "/usr/sbin/nologin";
/// The group `shadow` of `base-passwd`.
const SHADOW: u32 = 42;

/// Users and groups of our own choice of number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    users: Vec<User>,
    groups: Vec<Group>,
}

/// A user with a group of the same name and number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    name: String,
    id: u32,
    comment: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    id: u32,
}

/// Why there are no account files.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error(
        "/{file} asks for the {kind} '{name}': give it a number in boards/users.toml, and never \
         change it"
    )]
    Unpinned {
        file: String,
        kind: &'static str,
        name: String,
    },
}

impl Users {
    /// Reads `boards/users.toml`.
    pub fn parse(source: &str) -> Result<Self, Problems> {
        read(source, |top| {
            let users = top.tables("user", |user| {
                let name = user.required("name");
                let id = user.required("id");
                let comment = user.required("comment");
                Some(User {
                    name: name?,
                    id: id?,
                    comment: comment?,
                })
            });
            let groups = top.tables("group", |group| {
                let name = group.required("name");
                let id = group.required("id");
                Some(Group {
                    name: name?,
                    id: id?,
                })
            });
            let mut ids: Vec<u32> = users.iter().map(|user| user.id).collect();
            ids.extend(groups.iter().map(|group| group.id));
            ids.sort_unstable();
            for pair in ids.windows(2) {
                if let [one, other] = pair
                    && one == other
                {
                    top.reject("user", format!("the number {one} is given twice"));
                }
            }
            Some(Self { users, groups })
        })
    }

    /// The number of a user of this list.
    pub fn id(&self, name: &str) -> Option<u32> {
        let mut users = self.users.iter();
        users.find(|user| user.name == name).map(|user| user.id)
    }

    /// Writes `passwd`, `group` and their shadows.
    pub fn install(&self, tree: &mut Tree) -> Result<(), UsersError> {
        self.check(tree)?;
        let mut passwd = String::new();
        for line in tree.read_text(&format!("{MASTERS}/passwd.master"))?.lines() {
            // No password, and nobody has a shell.
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, rest @ .., _shell] = fields.as_slice() {
                let shell = if *name == "root" { "/bin/sh" } else { NO_SHELL };
                let rest = rest.join(":");
                // Writing to a string cannot fail, here and below.
                let _ = writeln!(passwd, "{name}:x:{rest}:{shell}");
            }
        }
        let mut group = String::new();
        for line in tree.read_text(&format!("{MASTERS}/group.master"))?.lines() {
            let _ = writeln!(group, "{}", line.replacen(":*:", ":x:", 1));
        }
        for User { name, id, comment } in &self.users {
            let _ = writeln!(passwd, "{name}:x:{id}:{id}:{comment}:/:{NO_SHELL}");
            let _ = writeln!(group, "{name}:x:{id}:");
        }
        for Group { name, id } in &self.groups {
            let _ = writeln!(group, "{name}:x:{id}:");
        }
        let secret = |text: String| Entry {
            mode: 0o640,
            gid: SHADOW,
            ..Entry::file(text.into_bytes())
        };
        // `!*`: neither a password nor an SSH key opens it while PAM asks shadow.
        let shadow = names(&passwd)
            .map(|name| format!("{name}:!*:1::::::\n"))
            .collect();
        let gshadow = names(&group).map(|name| format!("{name}:!*::\n")).collect();
        tree.insert("etc/shadow", secret(shadow))?;
        tree.insert("etc/gshadow", secret(gshadow))?;
        tree.insert("etc/passwd", Entry::file(passwd.into_bytes()))?;
        tree.insert("etc/group", Entry::file(group.into_bytes()))?;
        Ok(())
    }

    /// Fails if a package wants a user or group that has no number.
    fn check(&self, tree: &Tree) -> Result<(), UsersError> {
        let has_master = |file: &str, name: &str| -> Result<bool, TreeError> {
            let master = tree.read_text(&format!("{MASTERS}/{file}.master"))?;
            Ok(names(master).any(|known| known == name))
        };
        let files: Vec<&str> = tree.below(SYSUSERS).map(|(path, _)| path).collect();
        for file in files {
            for line in tree.read_text(file)?.lines() {
                let mut words = line.split_whitespace();
                let (Some(kind), Some(name)) = (words.next(), words.next()) else {
                    continue;
                };
                let user = self.users.iter().any(|user| user.name == name);
                let group = user || self.groups.iter().any(|group| group.name == name);
                let (kind, known) = match kind.trim_end_matches('!') {
                    "u" => ("user", user || has_master("passwd", name)?),
                    "g" => ("group", group || has_master("group", name)?),
                    _ => continue,
                };
                if !known {
                    return Err(UsersError::Unpinned {
                        file: file.to_owned(),
                        kind,
                        name: name.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split(':').next())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn tree(sysusers: &str) -> Tree {
        let mut tree = Tree::new(Timestamp::UNIX_EPOCH);
        let passwd = "root:*:0:0:root:/root:/bin/bash\nbin:*:2:2:bin:/bin:/usr/sbin/nologin\n";
        for (path, text) in [
            ("usr/share/base-passwd/passwd.master", passwd),
            (
                "usr/share/base-passwd/group.master",
                "root:*:0:\nshadow:*:42:\n",
            ),
            ("usr/lib/sysusers.d/a.conf", sysusers),
        ] {
            tree.insert(path, Entry::file(text.as_bytes())).unwrap();
        }
        tree
    }

    const USERS: &str = "[[user]]\nname = \"relay\"\nid = 800\ncomment = \"Relay\"\n\
                         [[group]]\nname = \"kvm\"\nid = 801\n";

    #[test]
    fn everybody_has_a_number_and_nobody_a_password() {
        let mut tree = tree("u! relay - \"Relay\"\ng kvm -\nu root 0\n# comment\n\n");

        Users::parse(USERS).unwrap().install(&mut tree).unwrap();

        assert_eq!(
            tree.read_text("etc/passwd").unwrap(),
            "root:x:0:0:root:/root:/bin/sh\n\
             bin:x:2:2:bin:/bin:/usr/sbin/nologin\n\
             relay:x:800:800:Relay:/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            tree.read_text("etc/group").unwrap(),
            "root:x:0:\nshadow:x:42:\nrelay:x:800:\nkvm:x:801:\n"
        );
        let shadow = tree.read_text("etc/shadow").unwrap();
        assert!(shadow.lines().count() == 3 && shadow.lines().all(|line| line.contains(":!*:")));
        assert_eq!(tree.get("etc/shadow").unwrap().mode, 0o640);
    }

    #[test]
    fn a_user_without_a_number_stops_the_build() {
        let mut tree = tree("u stranger -\n");

        let error = Users::parse(USERS).unwrap().install(&mut tree).unwrap_err();

        assert!(
            error.to_string().contains("asks for the user 'stranger'"),
            "{error}"
        );
    }

    #[test]
    fn a_number_is_given_once() {
        let twice = USERS.replace("801", "800");

        assert!(
            Users::parse(&twice)
                .unwrap_err()
                .to_string()
                .contains("given twice")
        );
    }
}
