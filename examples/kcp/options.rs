//! The command line.

use ginnel_proto::session::kcp::Settings;
use ginnel_proto::session::kcp::mode::Mode;
use std::net::SocketAddr;

pub(crate) const USAGE: &str = "usage: kcp dial|accept ADDRESS source BYTES [--back] | sink BYTES | echo BYTES
       [--conv N] [--mode auto|normal|fast|fast2|fast3] [--window N] [--mtu N] [--loss PERCENT] [--seed N]";

/// What to do with the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Task {
    /// Sends so many bytes. `back`: and waits until they have come back.
    Source { back: bool },
    /// Takes them, and says so with one byte.
    Sink,
    /// Sends back what comes.
    Echo,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) dials: bool,
    pub(crate) address: SocketAddr,
    pub(crate) task: Task,
    pub(crate) bytes: u64,
    /// Who accepts takes it from the first datagram.
    pub(crate) conversation: u32,
    pub(crate) settings: Settings,
    pub(crate) mtu: u16,
    /// Of the datagrams each way, so many are thrown away: 0 to 1.
    pub(crate) loss: f64,
    pub(crate) seed: u64,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing\n{USAGE}"));
        let dials = match next("dial or accept")?.as_str() {
            "dial" => true,
            "accept" => false,
            other => return Err(format!("{other} is neither dial nor accept\n{USAGE}")),
        };
        let address = number(&next("the address")?)?;
        let task = match next("the task")?.as_str() {
            "source" => Task::Source { back: false },
            "sink" => Task::Sink,
            "echo" => Task::Echo,
            other => return Err(format!("{other} is no task\n{USAGE}")),
        };
        let bytes = number(&next("the number of bytes")?)?;
        let settings = Settings { mode: Mode::Fast3, ..Settings::default() };
        let mut options =
            Self { dials, address, task, bytes, conversation: 1, settings, mtu: 1400, loss: 0.0, seed: 0 };
        while let Some(name) = arguments.next() {
            if name == "--back" {
                options.task = Task::Source { back: true };
                continue;
            }
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            options.set(&name, &value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--conv" => self.conversation = number(value)?,
            "--mode" => self.settings.mode = Mode::named(value).ok_or(format!("{value} is no mode"))?,
            "--window" => self.settings.window = number(value)?,
            "--mtu" => self.mtu = number(value)?,
            "--loss" => self.loss = (number::<f64>(value)? / 100.0).clamp(0.0, 1.0),
            "--seed" => self.seed = number(value)?,
            _ => return Err(format!("{name} is no option\n{USAGE}")),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} does not parse\n{USAGE}"))
}
