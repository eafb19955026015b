//! RDP, by IronRDP: updates of the screen out, keys and mouse in. Copied text has `channel`.
//!
//! The screen is looked at in a thread of its own, only when the viewer can take an update.
//! Not passed on, since IronRDP does not tell it: the middle button, the horizontal wheel, and which
//! lock keys shine at home. The buttons at a mouse's side come as its left and right ones.

use std::num::{NonZeroU16, NonZeroUsize};
use std::panic;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use bytes::Bytes;
use ironrdp_pdu::rdp::capability_sets::{
    BitmapCodecs, Codec, CodecProperty, NsCodec, server_codecs_capabilities,
};
use ironrdp_server::{
    BitmapUpdate, CliprdrServerFactory, DesktopSize, DisplayUpdate, KeyboardEvent, MouseEvent,
    PixelFormat, RGBAPointer, RdpServer, RdpServerDisplay, RdpServerDisplayUpdates,
    RdpServerInputHandler,
};
use tasuki_desktop::film::{Film, Pointer, Size, Update};
use tasuki_desktop::hands::{Button, Hands, Key};
use tasuki_desktop::pace::{LEAST, Pace};
use tasuki_desktop::shape::Shape;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::channel::Channel;
use crate::host::Host;
use crate::memory;
use crate::windows::{self, Desk, Monitors};

/// NSCodec's number ([MS-RDPBCGR] 2.2.7.2.10.1.1).
const NSCODEC: u8 = 1;

type SharedHands = Arc<Mutex<Hands<Desk>>>;

/// Serves one viewer to its end; `clipboard` lets copied text pass.
pub(crate) async fn serve(acceptor: TlsAcceptor, clipboard: bool) -> Result<()> {
    let hands: SharedHands = Arc::new(Mutex::new(Hands::new(Desk)));
    let_go_in_a_panic(&hands);
    let size = windows::size();
    memory::allow(size);
    let size = Arc::new(Mutex::new(size));
    // A nudge that waits already says the same.
    let (nudge, nudges) = sync_channel(1);
    let channel = || -> Box<dyn CliprdrServerFactory> { Box::new(Channel::default()) };
    let mut server = RdpServer::builder()
        // It listens nowhere; the address is never used.
        .with_addr(([127, 0, 0, 1], 0))
        .with_tls(acceptor)
        .with_input_handler(Viewer {
            hands: Arc::clone(&hands),
            size: Arc::clone(&size),
            nudge,
            host: Host::default(),
        })
        .with_display_handler(Display {
            size,
            nudges: Arc::new(Mutex::new(nudges)),
        })
        .with_bitmap_codecs(codecs()?)
        // Where it is forbidden there is no channel to abuse.
        .with_cliprdr_factory(clipboard.then(channel))
        .build();
    let stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
    let result = server.run_connection(stream).await;
    lock(&hands).let_go();
    match result {
        Err(error) if !is_end(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Most viewers end by closing their connection.
fn is_end(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::UnexpectedEof)
    })
}

/// A panic ends this process at once; nothing shall stay pressed.
fn let_go_in_a_panic(hands: &SharedHands) {
    let hands = Arc::clone(hands);
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |about| {
        if let Ok(mut hands) = hands.try_lock() {
            hands.let_go();
        }
        say(about);
    }));
}

/// RemoteFX, or NSCodec for viewers without it (those of Windows 11): they would get every pixel
/// uncompressed otherwise.
fn codecs() -> Result<BitmapCodecs> {
    let mut codecs = server_codecs_capabilities(&[]).map_err(|error| anyhow!(error))?;
    codecs.0.push(Codec {
        id: NSCODEC,
        property: CodecProperty::NsCodec(NsCodec {
            is_dynamic_fidelity_allowed: false,
            is_subsampling_allowed: false,
            color_loss_level: 1,
        }),
    });
    Ok(codecs)
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the viewer does.
struct Viewer {
    hands: SharedHands,
    size: Arc<Mutex<Size>>,
    nudge: SyncSender<()>,
    host: Host,
}

impl Viewer {
    fn act<T>(&mut self, act: impl FnOnce(&mut Hands<Desk>, Size) -> T) -> T {
        let result = act(&mut lock(&self.hands), *lock(&self.size));
        // One that waits already will do, and so will none when nobody looks.
        let _ = self.nudge.try_send(());
        result
    }

    fn key(&mut self, code: u8, extended: bool, down: bool) {
        if self.act(|hands, _| hands.key(Key { code, extended }, down)) {
            self.host.leave_full_screen();
        }
    }
}

impl RdpServerInputHandler for Viewer {
    fn keyboard(&mut self, event: KeyboardEvent) {
        match event {
            KeyboardEvent::Pressed { code, extended } => self.key(code, extended, true),
            KeyboardEvent::Released { code, extended } => self.key(code, extended, false),
            KeyboardEvent::UnicodePressed(unit) => self.act(|hands, _| hands.letter(unit, true)),
            KeyboardEvent::UnicodeReleased(unit) => self.act(|hands, _| hands.letter(unit, false)),
            // The viewer's window has got the keyboard back: it holds nothing.
            KeyboardEvent::Synchronize(_) => self.act(|hands, _| hands.let_go()),
        }
    }

    fn mouse(&mut self, event: MouseEvent) {
        self.act(|hands, size| match event {
            MouseEvent::Move { x, y } => hands.point(x, y, size),
            MouseEvent::LeftPressed => hands.button(Button::Left, true),
            MouseEvent::LeftReleased => hands.button(Button::Left, false),
            MouseEvent::RightPressed => hands.button(Button::Right, true),
            MouseEvent::RightReleased => hands.button(Button::Right, false),
            MouseEvent::MiddlePressed => hands.button(Button::Middle, true),
            MouseEvent::MiddleReleased => hands.button(Button::Middle, false),
            MouseEvent::Button4Pressed => hands.button(Button::Fourth, true),
            MouseEvent::Button4Released => hands.button(Button::Fourth, false),
            MouseEvent::Button5Pressed => hands.button(Button::Fifth, true),
            MouseEvent::Button5Released => hands.button(Button::Fifth, false),
            MouseEvent::VerticalScroll { value } => hands.wheel(value.into(), false),
            MouseEvent::Scroll { x, y } => {
                hands.wheel(y, false);
                hands.wheel(x, true);
            }
            // For games; a desktop has places.
            MouseEvent::RelMove { .. } => {}
        });
    }
}

/// What the viewer is shown.
struct Display {
    size: Arc<Mutex<Size>>,
    nudges: Arc<Mutex<Receiver<()>>>,
}

/// Somebody who waits for an update.
type Ask = oneshot::Sender<Update>;

#[async_trait]
impl RdpServerDisplay for Display {
    async fn size(&mut self) -> DesktopSize {
        desktop_size(*lock(&self.size))
    }

    /// Called anew after each change of the size.
    async fn updates(&mut self) -> Result<Box<dyn RdpServerDisplayUpdates>> {
        let (asks, receiver) = mpsc::channel(1);
        let size = *lock(&self.size);
        let nudges = Arc::clone(&self.nudges);
        thread::Builder::new()
            .name("film".to_owned())
            .spawn(move || look(size, receiver, &lock(&nudges)))
            .context("no thread to look at the screen in")?;
        let shared = Arc::clone(&self.size);
        Ok(Box::new(Updates { asks, size, shared }))
    }
}

fn desktop_size(Size { width, height }: Size) -> DesktopSize {
    DesktopSize { width, height }
}

/// Looks at the screen for as long as somebody asks.
fn look(size: Size, mut asks: mpsc::Receiver<Ask>, nudges: &Receiver<()>) {
    let mut film = Film::new(Monitors::default(), size);
    let mut pace = Pace::default();
    let mut latest = None;
    while let Some(ask) = asks.blocking_recv() {
        let update = loop {
            if let Some(rest) = latest.and_then(|at: Instant| LEAST.checked_sub(at.elapsed())) {
                thread::sleep(rest);
            }
            if ask.is_closed() {
                return;
            }
            latest = Some(Instant::now());
            if let Some(update) = film.look() {
                pace.next(true);
                break update;
            }
            let wait = pace.next(false);
            match nudges.recv_timeout(wait) {
                Ok(()) => {
                    pace.next(true);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        };
        // A viewer that has gone meanwhile does not ask again.
        let _ = ask.send(update);
    }
}

struct Updates {
    asks: mpsc::Sender<Ask>,
    size: Size,
    shared: Arc<Mutex<Size>>,
}

#[async_trait]
impl RdpServerDisplayUpdates for Updates {
    async fn next_update(&mut self) -> Result<Option<DisplayUpdate>> {
        let (ask, answer) = oneshot::channel();
        if self.asks.send(ask).await.is_err() {
            return Ok(None);
        }
        let Ok(update) = answer.await else {
            return Ok(None);
        };
        Ok(Some(match update {
            Update::Resized(size) => {
                memory::allow(size);
                *lock(&self.shared) = size;
                DisplayUpdate::Resize(desktop_size(size))
            }
            Update::Rows { top, pixels } => DisplayUpdate::Bitmap(bitmap(self.size, top, pixels)?),
            Update::Pointer(Pointer::Hidden) => DisplayUpdate::HidePointer,
            Update::Pointer(Pointer::Default) => DisplayUpdate::DefaultPointer,
            Update::Pointer(Pointer::Shaped(shape)) => DisplayUpdate::RGBAPointer(pointer(shape)),
        }))
    }
}

fn bitmap(size: Size, top: u16, pixels: Vec<u8>) -> Result<BitmapUpdate> {
    let rows = u16::try_from(pixels.len() / size.row())?;
    Ok(BitmapUpdate {
        x: 0,
        y: top,
        width: NonZeroU16::new(size.width).context("a screen without width")?,
        height: NonZeroU16::new(rows).context("an update without rows")?,
        format: PixelFormat::BgrX32,
        data: Bytes::from(pixels),
        stride: NonZeroUsize::new(size.row()).context("a screen without width")?,
    })
}

fn pointer(shape: Shape) -> RGBAPointer {
    let Shape {
        width,
        height,
        hot: (hot_x, hot_y),
        pixels,
    } = shape;
    RGBAPointer {
        // Each one takes the place of the one before.
        cache_index: 0,
        width,
        height,
        hot_x,
        hot_y,
        data: pixels,
    }
}
