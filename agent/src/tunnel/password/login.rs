//! The four steps of a login, two at each end.

use opaque_ke::errors::ProtocolError;
use opaque_ke::generic_array::GenericArray;
use opaque_ke::rand::rngs::OsRng;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, CredentialFinalization, CredentialRequest,
    CredentialResponse, Identifiers, ServerLogin, ServerLoginParameters,
};
use protocol::codec::{Bytes, EncodeError, Wire, Writer};
use protocol::id::ComputerId;
use protocol::secret::Secret;
use protocol::text::Text;
use protocol::version::Versions;
use zeroize::Zeroize;

use super::record::PasswordRecord;
use super::{PASSWORD_MAX, Suite, stretching};

/// OPAQUE's session key: what both ends share when the password was right.
pub(in crate::tunnel) type SessionKey = Secret<64>;

/// Why a step gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tunnel) enum LoginError {
    /// The password (or the user name, or the context) is wrong.
    Wrong,
    /// The peer's message is none.
    Malformed,
    /// The password is longer than any can be.
    TooLong,
    /// No memory or randomness here.
    Resources,
}

/// What both ends must agree on beside the password; neither is told when they do not.
pub(in crate::tunnel) struct Context(Vec<u8>);

impl Context {
    pub(in crate::tunnel) fn new(
        client: Versions,
        host: Versions,
        computer_id: &ComputerId,
        user: &Text<64>,
    ) -> Result<Self, EncodeError> {
        let mut buffer = vec![0; 256];
        let mut writer = Writer::new(&mut buffer);
        writer.put(b"tasuki opaque 1")?;
        client.encode(&mut writer)?;
        host.encode(&mut writer)?;
        computer_id.encode(&mut writer)?;
        user.encode(&mut writer)?;
        let used = writer.used();
        buffer.truncate(used);
        Ok(Self(buffer))
    }
}

/// The client, between its first message and the host's answer.
pub(in crate::tunnel) struct Login(ClientLogin<Suite>);

impl Login {
    /// First step: gives KE1.
    pub(in crate::tunnel) fn start(password: &str) -> Result<(Self, Bytes<128>), LoginError> {
        if password.len() > PASSWORD_MAX {
            return Err(LoginError::TooLong);
        }
        let start = ClientLogin::start(&mut OsRng, password.as_bytes())
            .map_err(|_| LoginError::Resources)?;
        let ke1 = message(&start.message.serialize())?;
        Ok((Self(start.state), ke1))
    }

    /// Third step: takes KE2, gives KE3 and the session key. Slow on purpose.
    pub(in crate::tunnel) fn finish(
        self,
        password: &str,
        ke2: &[u8],
        context: &Context,
    ) -> Result<(Bytes<128>, SessionKey), LoginError> {
        let ke2 = CredentialResponse::deserialize(ke2).map_err(|_| LoginError::Malformed)?;
        let stretching = stretching();
        let parameters = ClientLoginFinishParameters::new(
            Some(&context.0),
            Identifiers::default(),
            Some(&stretching),
        );
        let finish = self
            .0
            .finish(&mut OsRng, password.as_bytes(), ke2, parameters)
            .map_err(|error| login_error(&error))?;
        let ke3 = message(&finish.message.serialize())?;
        Ok((ke3, session_key(finish.session_key)))
    }
}

/// The host, between its answer and the client's last message.
pub(in crate::tunnel) struct Challenged {
    login: ServerLogin<Suite>,
    context: Context,
}

impl Challenged {
    /// Second step: takes KE1, gives KE2. An unknown `user` gets one that looks like any other.
    pub(in crate::tunnel) fn start(
        record: &PasswordRecord,
        user: &Text<64>,
        ke1: &[u8],
        context: Context,
    ) -> Result<(Self, Bytes<512>), LoginError> {
        let ke1 = CredentialRequest::deserialize(ke1).map_err(|_| LoginError::Malformed)?;
        let known = user.is_empty().then(|| record.record.clone());
        let parameters = ServerLoginParameters {
            context: Some(&context.0),
            identifiers: Identifiers::default(),
        };
        let start = ServerLogin::start(
            &mut OsRng,
            &record.setup,
            known,
            ke1,
            user.as_str().as_bytes(),
            parameters,
        )
        .map_err(|_| LoginError::Malformed)?;
        let ke2 = message(&start.message.serialize())?;
        let login = start.state;
        Ok((Self { login, context }, ke2))
    }

    /// Fourth step: takes KE3, gives the session key.
    pub(in crate::tunnel) fn finish(self, ke3: &[u8]) -> Result<SessionKey, LoginError> {
        let ke3 = CredentialFinalization::deserialize(ke3).map_err(|_| LoginError::Malformed)?;
        let parameters = ServerLoginParameters {
            context: Some(&self.context.0),
            identifiers: Identifiers::default(),
        };
        let finish = self
            .login
            .finish(ke3, parameters)
            .map_err(|error| login_error(&error))?;
        Ok(session_key(finish.session_key))
    }
}

fn message<const N: usize>(bytes: &[u8]) -> Result<Bytes<N>, LoginError> {
    Bytes::new(bytes).map_err(|EncodeError| LoginError::Resources)
}

fn session_key<N: opaque_ke::generic_array::ArrayLength<u8>>(
    mut output: GenericArray<u8, N>,
) -> SessionKey {
    let mut bytes = [0; 64];
    bytes.copy_from_slice(&output);
    output.zeroize();
    let key = Secret::new(bytes);
    bytes.zeroize();
    key
}

fn login_error(error: &ProtocolError) -> LoginError {
    match error {
        ProtocolError::InvalidLoginError => LoginError::Wrong,
        ProtocolError::LibraryError(_) => LoginError::Resources,
        ProtocolError::SerializationError
        | ProtocolError::SizeError { .. }
        | ProtocolError::ReflectedValueError
        | ProtocolError::Custom(_) => LoginError::Malformed,
    }
}
