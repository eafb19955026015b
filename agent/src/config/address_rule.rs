//! Address rules (A11): which client addresses a host lets in.

use std::net::IpAddr;

use ipnet::IpNet;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Permit,
    Deny,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRule {
    pub verdict: Verdict,
    pub range: IpNet,
}

/// Rules in order: the first that matches wins, and without a match the client is permitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRules(pub Vec<AddressRule>);

impl AddressRules {
    /// What the rules say about a client.
    pub fn verdict(&self, client: IpAddr) -> Verdict {
        let client = client.to_canonical();
        self.0
            .iter()
            .find(|rule| rule.range.contains(&client))
            .map_or(Verdict::Permit, |rule| rule.verdict)
    }
}
