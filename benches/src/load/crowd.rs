//! Office PCs that are there and say nothing, and sessions that carry nothing: what they cost a
//! relay is what its memory is for.

use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Context;
use protocol::file::entry::Entry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::setup::tasuki::Offices;
use super::setup::{AT_ONCE, PATIENCE, SetupError};

/// What each direction of a session carries before it falls silent, so that nothing counts as
/// cheap that was merely never used.
const FIRST_WORDS: [u8; 64] = [7; 64];

/// Hosts by number, from 0, and their sessions. Everything ends when it is dropped.
pub(crate) struct Crowd {
    offices: Arc<Offices>,
    places: Arc<Semaphore>,
    links: u32,
    sessions: Vec<(TcpStream, TcpStream)>,
}

impl Crowd {
    pub(crate) fn new(entry: Entry, seed: u64) -> anyhow::Result<Self> {
        Ok(Self {
            offices: Arc::new(Offices::new(entry, seed)?),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            links: 0,
            sessions: Vec::new(),
        })
    }

    /// Lets more hosts register, until there are so many.
    pub(crate) async fn link(&mut self, links: u32) -> anyhow::Result<()> {
        self.each(self.links..links, |offices, number| async move {
            offices.link(number).await
        })
        .await?;
        self.links = links;
        Ok(())
    }

    /// Joins sessions with the first hosts, until there are so many.
    pub(crate) async fn join(&mut self, sessions: u32) -> anyhow::Result<()> {
        let from = u32::try_from(self.sessions.len())?;
        let joined = self.each(from..sessions, |offices, number| async move {
            let (client, host) = offices.session(number).await?;
            exchange(client, host).await
        });
        let joined = joined.await?;
        self.sessions.extend(joined);
        Ok(())
    }

    /// The sockets of client and host of each session.
    pub(crate) fn sessions(&self) -> &[(TcpStream, TcpStream)] {
        &self.sessions
    }

    /// Does something for each of these hosts, for a few at a time.
    async fn each<T, Made>(
        &self,
        numbers: Range<u32>,
        make: fn(Arc<Offices>, u32) -> Made,
    ) -> anyhow::Result<Vec<T>>
    where
        T: Send + 'static,
        Made: Future<Output = Result<T, SetupError>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for number in numbers {
            let place = Arc::clone(&self.places).acquire_owned().await?;
            let made = make(Arc::clone(&self.offices), number);
            tasks.spawn(async move {
                let made = tokio::time::timeout(PATIENCE, made).await;
                drop(place);
                made.unwrap_or(Err(SetupError::Late))
                    .with_context(|| format!("host {number}"))
            });
        }
        let mut all = Vec::new();
        while let Some(made) = tasks.join_next().await {
            all.push(made??);
        }
        Ok(all)
    }
}

/// A few bytes each way.
async fn exchange(
    client: TcpStream,
    host: TcpStream,
) -> Result<(TcpStream, TcpStream), SetupError> {
    let mut client = tokio::net::TcpStream::from_std(client)?;
    let mut host = tokio::net::TcpStream::from_std(host)?;
    let mut words = FIRST_WORDS;
    client.write_all(&FIRST_WORDS).await?;
    host.read_exact(&mut words).await?;
    host.write_all(&FIRST_WORDS).await?;
    client.read_exact(&mut words).await?;
    Ok((client.into_std()?, host.into_std()?))
}
