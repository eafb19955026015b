//! Proxies as programs of Unix are told of them: by environment variables.

use std::io;

use crate::config::Login;
use crate::outer::proxy::environment;
use crate::outer::proxy::login::{Logon, Scheme};
use crate::outer::proxy::system::{Script, Settings, System};

/// The environment of this process.
#[derive(Debug)]
pub(crate) struct ProxySystem;

impl System for ProxySystem {
    fn settings(&self) -> io::Result<Settings> {
        environment::settings(|name| std::env::var(name).ok())
    }

    fn ask(&self, _script: &Script, _url: &str) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn logon(&self, _: Scheme, _: &str, _: &Login) -> io::Result<Box<dyn Logon>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
