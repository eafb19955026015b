//! SOCKS5 (RFC 1928) with user name and password (RFC 1929).

use tokio::net::TcpStream;
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use crate::config::{Endpoint, Login, ProxyServer};
use crate::outer::ProxyRefusal;

/// Asks the proxy at the other end of `stream` for a connection to the board.
pub(super) async fn connect(
    stream: TcpStream,
    server: &ProxyServer,
    address: &Endpoint,
) -> Result<TcpStream, ProxyRefusal> {
    let target = (address.host.as_str(), address.port);
    let connected = match &server.login {
        Login::User(user, password) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, &password.0).await
        }
        Login::Nobody | Login::LoggedOn => Socks5Stream::connect_with_socket(stream, target).await,
    };
    connected
        .map(Socks5Stream::into_inner)
        .map_err(|error| explain(error, address))
}

fn explain(error: Error, address: &Endpoint) -> ProxyRefusal {
    let address = address.clone();
    let answer = error.to_string();
    match error {
        Error::Io(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            let reason = "it closed the connection".to_owned();
            ProxyRefusal::Unusable { reason }
        }
        Error::Io(source) => ProxyRefusal::Unreachable(source),
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired => ProxyRefusal::NoUser {
            asked: String::new(),
        },
        Error::PasswordAuthFailure(_) | Error::InvalidAuthValues(_) => {
            ProxyRefusal::Authentication {
                asked: String::new(),
            }
        }
        Error::ConnectionNotAllowedByRuleset
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported => ProxyRefusal::Forbidden { address, answer },
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired => ProxyRefusal::NoWay { address, answer },
        Error::ParseError(_)
        | Error::InvalidTargetAddress(_)
        | Error::ProxyServerUnreachable
        | Error::InvalidResponseVersion
        | Error::UnknownAuthMethod
        | Error::UnknownError
        | Error::InvalidReservedByte
        | Error::UnknownAddressType
        | Error::IdentdAuthFailure
        | Error::InvalidUserIdAuthFailure => ProxyRefusal::Unusable { reason: answer },
    }
}
