//! Gives a board its identity: a key, a certificate, a node file.

use jiff::Timestamp;
use protocol::file::address::Address;
use protocol::file::network::Network;
use protocol::file::node::{Lone, NodeFile, PrivateKeyPem, Setup};
use protocol::id::BoardName;
use protocol::secret::Secret;

use super::key::{PrivateKey, Protection};
use super::record::{Certificate, Node, Time};
use super::store::{Deployment, Error};

/// Most addresses of one board.
pub const ADDRESSES_MAX: usize = 4;

/// Which board to issue for.
#[derive(Debug, Clone)]
pub struct Order {
    pub name: BoardName,
    pub addresses: Vec<Address>,
    /// The board is its own registrar.
    pub lone: bool,
    pub network: Network,
    /// Servers of the fleet's registrar.
    pub fleet: Vec<Address>,
    /// How long the certificate is good.
    pub days: u32,
}

/// Makes a new key and certificate for the board and returns its node file.
///
/// The record comes first: a certificate that exists must be known, or nobody could revoke it.
/// One that is recorded and never delivered does no harm.
pub fn issue(
    deployment: &mut Deployment,
    order: Order,
    protection: &Protection,
    now: Timestamp,
) -> Result<NodeFile, Error> {
    let key_error = |source| Error::Key {
        path: order.name.as_str().into(),
        source,
    };
    let ca = deployment.record().signing_ca();
    let authority = deployment.authority(protection)?;
    let registrar = if order.lone {
        Some(deployment.registrar_key(protection)?)
    } else {
        None
    };
    let key = PrivateKey::generate().map_err(key_error)?;
    let key_pem = key.to_pem(&Protection::Permissions).map_err(key_error)?;
    let issued = authority
        .sign_board(&order.name, &key, order.days, now)
        .map_err(|source| Error::Certificate { number: ca, source })?;
    let certificate = Certificate {
        serial: issued.serial,
        ca,
        expires: Time(issued.expires),
        revoked: None,
    };
    deployment.commit(|record| {
        record.node_generation += 1;
        match record.node_mut(&order.name) {
            Some(node) => {
                node.addresses.clone_from(&order.addresses);
                node.lone = order.lone;
                node.network.clone_from(&order.network);
                node.fleet.clone_from(&order.fleet);
                node.certificates.push(certificate);
            }
            None => record.nodes.push(Node {
                name: order.name.clone(),
                addresses: order.addresses.clone(),
                lone: order.lone,
                network: order.network.clone(),
                fleet: order.fleet.clone(),
                certificates: vec![certificate],
            }),
        }
    })?;
    let record = deployment.record();
    Ok(NodeFile {
        deployment: record.name.as_str().to_owned(),
        generation: record.node_generation,
        name: order.name,
        addresses: order.addresses.iter().map(Address::to_string).collect(),
        certificate: issued.pem,
        key: PrivateKeyPem(key_pem.to_string()),
        registrar: vec![record.registrar],
        lone: registrar.map(|key| Lone {
            registrar_key: Secret::new(*key.seed().expose()),
            revoked: record.revoked_serials(now),
        }),
        setup: Setup {
            network: order.network,
            fleet: order.fleet,
            update: record.update.as_ref().map(|it| it.as_str().to_owned()),
            update_ca: record.update_ca.clone(),
            deployment_key: Some(record.deployment_key),
        },
    })
}
