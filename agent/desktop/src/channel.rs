//! The clipboard's channel, by IronRDP: what the viewer says in, messages of `clipboard` out.
//!
//! The clipboard is used in a thread of its own: a program that has copied something may be slow
//! to hand it out. Nothing is said or looked at before the viewer has opened the channel.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ironrdp_cliprdr::backend::{ClipboardMessage, CliprdrBackend, CliprdrBackendFactory};
use ironrdp_cliprdr::pdu::{
    ClipboardFormat, ClipboardFormatId, ClipboardGeneralCapabilityFlags, FileContentsRequest,
    FileContentsResponse, FormatDataRequest, FormatDataResponse, LockDataId,
    OwnedFormatDataResponse,
};
use ironrdp_server::{CliprdrServerFactory, ServerEvent, ServerEventSender};
use tasuki_desktop::clipboard::{Exchange, Message, Refusal, WIRE_MAX};
use tokio::sync::mpsc::UnboundedSender;

use crate::windows::Board;

const TEXT: ClipboardFormatId = ClipboardFormatId::CF_UNICODETEXT;

/// Between two looks at the clipboard: as long as between two looks at a screen that rests.
const LOOK: Duration = Duration::from_millis(250);

/// What the viewer has said and nobody has done yet. While an answer waits to be sent IronRDP
/// reads nothing more, so this bounds the answers as well.
const ORDERS_MAX: usize = 4;

/// What the viewer says.
enum Order {
    /// Something was copied at home; whether it is text.
    Announced(bool),
    /// Somebody at home pastes.
    Asked,
    /// The text that was fetched.
    Arrived(Option<Vec<u8>>),
}

/// Makes a channel for the viewer.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    server: Option<UnboundedSender<ServerEvent>>,
}

impl ServerEventSender for Channel {
    fn set_sender(&mut self, sender: UnboundedSender<ServerEvent>) {
        self.server = Some(sender);
    }
}

impl CliprdrBackendFactory for Channel {
    fn build_cliprdr_backend(&self) -> Box<dyn CliprdrBackend> {
        let (orders, receiver) = sync_channel(ORDERS_MAX);
        if let Some(server) = self.server.clone() {
            let serve = move || serve(&receiver, &|message| tell(&server, message));
            let thread = thread::Builder::new().name("clipboard".to_owned());
            if let Err(error) = thread.spawn(serve) {
                tracing::warn!(%error, "No clipboard in this session");
            }
        }
        Box::new(Ear {
            orders,
            server: self.server.clone(),
            is_open: false,
        })
    }
}

impl CliprdrServerFactory for Channel {}

/// Does what the viewer says, and looks between that.
fn serve(orders: &Receiver<Order>, tell: &dyn Fn(Message)) {
    let mut exchange = Exchange::new(Board);
    let mut order = orders.recv().ok();
    loop {
        let done = match order {
            Some(Order::Announced(is_text)) => {
                exchange.announced(is_text).into_iter().for_each(tell);
                Ok(())
            }
            Some(Order::Asked) => {
                let (answer, result) = exchange.asked();
                tell(answer);
                result
            }
            Some(Order::Arrived(text)) => exchange.arrived(text.as_deref()),
            None => {
                exchange.look().into_iter().for_each(tell);
                Ok(())
            }
        };
        if let Err(refusal) = done {
            say(&refusal);
        }
        order = match orders.recv_timeout(LOOK) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
    }
}

fn say(refusal: &Refusal) {
    tracing::warn!(reason = %refusal, "Copied text was not passed on");
}

fn tell(server: &UnboundedSender<ServerEvent>, message: Message) {
    let message = match message {
        Message::Announce { is_text: true } => {
            ClipboardMessage::SendInitiateCopy(vec![ClipboardFormat::new(TEXT)])
        }
        Message::Announce { is_text: false } => ClipboardMessage::SendInitiateCopy(Vec::new()),
        Message::Fetch => ClipboardMessage::SendInitiatePaste(TEXT),
        Message::Text(text) => ClipboardMessage::SendFormatData(match text {
            Some(text) => OwnedFormatDataResponse::new_data(text),
            None => OwnedFormatDataResponse::new_error(),
        }),
    };
    // A session that ends wants nothing more.
    let _ = server.send(ServerEvent::Clipboard(message));
}

/// Hears what the viewer says.
#[derive(Debug)]
struct Ear {
    orders: SyncSender<Order>,
    server: Option<UnboundedSender<ServerEvent>>,
    is_open: bool,
}

ironrdp_core::impl_as_any!(Ear);

impl Ear {
    /// Returns whether it will be done: not by a clipboard that hangs, and not before the channel
    /// is open, since IronRDP ends the session if it is answered then.
    fn pass_on(&self, order: Order) -> bool {
        self.is_open && self.orders.try_send(order).is_ok()
    }
}

impl CliprdrBackend for Ear {
    fn on_ready(&mut self) {
        self.is_open = true;
    }

    fn on_remote_copy(&mut self, formats: &[ClipboardFormat]) {
        let is_text = formats.iter().any(|format| format.id() == TEXT);
        self.pass_on(Order::Announced(is_text));
    }

    fn on_format_data_request(&mut self, request: FormatDataRequest) {
        let is_answered = request.format == TEXT && self.pass_on(Order::Asked);
        if let Some(server) = self
            .server
            .as_ref()
            .filter(|_| !is_answered && self.is_open)
        {
            tell(server, Message::Text(None));
        }
    }

    fn on_format_data_response(&mut self, response: FormatDataResponse<'_>) {
        // Enough of it to be seen as too long.
        let data = response.data();
        let data = data.get(..=WIRE_MAX).unwrap_or(data);
        let text = (!response.is_error()).then(|| data.to_vec());
        self.pass_on(Order::Arrived(text));
    }

    fn temporary_directory(&self) -> &str {
        // Files are not exchanged.
        ""
    }

    fn client_capabilities(&self) -> ClipboardGeneralCapabilityFlags {
        ClipboardGeneralCapabilityFlags::empty()
    }

    fn on_request_format_list(&mut self) {}

    fn on_process_negotiated_capabilities(&mut self, _: ClipboardGeneralCapabilityFlags) {}

    fn on_file_contents_request(&mut self, _: FileContentsRequest) {}

    fn on_file_contents_response(&mut self, _: FileContentsResponse<'_>) {}

    fn on_lock(&mut self, _: LockDataId) {}

    fn on_unlock(&mut self, _: LockDataId) {}
}
