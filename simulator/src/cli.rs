//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use crate::clock;
use crate::config;
use crate::control;
use crate::faults::{self, NewRule};
use crate::headers;
use crate::passenger::{Rule, WELL_KNOWN};
use crate::presets::PRESETS;
use crate::settings::{CheckAnswers, Settings};
use crate::switches::Switches;
use crate::tls;

#[derive(Debug)]
pub enum Command {
    Run(Box<Options>),
    /// A recorded session once more, in this process.
    Replay(PathBuf),
    Help,
    Version,
}

#[derive(Debug, Default)]
pub struct Options {
    pub settings: Settings,
    pub ca_out: Option<PathBuf>,
    pub exit_with_parent: bool,
}

/// On a mistake: the argument, and what is wrong with it. The command line wins over a configuration file, wherever
/// that is named on it.
pub fn parse<I>(arguments: I) -> Result<Command, String>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut given = Vec::new();
    let mut config = None;
    loop {
        let name = match parser.next().map_err(|e| e.to_string())? {
            None => break,
            Some(Short('h') | Long("help")) => return Ok(Command::Help),
            Some(Short('V') | Long("version")) => return Ok(Command::Version),
            Some(Short('v')) => "verbose".to_owned(),
            Some(Long(name)) => name.to_owned(),
            Some(Value(word)) if word == "replay" && given.is_empty() && config.is_none() => {
                return replay(&mut parser);
            }
            Some(other) => return Err(other.unexpected().to_string()),
        };
        let value = match takes_value(&name) {
            true => Some(parser.value().map_err(|_| format!("--{name} needs a value"))?),
            false if FLAGS.contains(&name.as_str()) => None,
            false => return Err(format!("there is no option --{name}")),
        };
        match (name.as_str(), value) {
            ("config", Some(_)) if config.is_some() => return Err("--config: can be given once".to_owned()),
            ("config", Some(path)) => config = Some(path),
            (_, value) => given.push((name, value)),
        }
    }
    let mut options = match config {
        Some(path) => config::read(Path::new(&path)).map_err(|reason| format!("--config: {reason}"))?,
        None => Options::default(),
    };
    for (name, value) in given {
        apply(&mut options, &name, value)?;
    }
    Ok(Command::Run(Box::new(options)))
}

/// What follows the word.
fn replay(parser: &mut lexopt::Parser) -> Result<Command, String> {
    match parser.next().map_err(|e| e.to_string())? {
        Some(Value(path)) => match parser.next().map_err(|e| e.to_string())? {
            None => Ok(Command::Replay(PathBuf::from(path))),
            Some(more) => Err(more.unexpected().to_string()),
        },
        Some(other) => Err(other.unexpected().to_string()),
        None => Err("replay needs the file of a recording".to_owned()),
    }
}

/// Does the option shape answers, and is it no secret? Switches are recorded as they are, faults by what they met.
pub fn is_recorded(name: &str) -> bool {
    ["msn", "merchant-name", "currency", "token-life", "passenger"].contains(&name)
}

/// One option, from wherever it comes.
pub fn apply(options: &mut Options, name: &str, value: Option<OsString>) -> Result<(), String> {
    match (name, value) {
        (_, Some(value)) => set(options, name, value).map_err(|reason| format!("--{name}: {reason}"))?,
        ("tls", None) => options.settings.tls = true,
        ("verbose", None) => options.settings.verbose = true,
        ("exit-with-parent", None) => options.exit_with_parent = true,
        (_, None) => return Err(format!("there is no option --{name}")),
    }
    Ok(())
}

pub fn takes_value(name: &str) -> bool {
    TAKES_VALUE.contains(&name)
}

pub const FLAGS: [&str; 3] = ["tls", "verbose", "exit-with-parent"];

const TAKES_VALUE: &[&str] = &[
    "config",
    "port",
    "control-port",
    "ca-out",
    "msn",
    "client-id",
    "client-secret",
    "subscription-key",
    "merchant-name",
    "currency",
    "token-life",
    "speed",
    "passenger",
    "preset",
    "switch",
    "fault",
    "faults",
    "rate-limits",
    "push-allowed",
    "check-answers",
    "record",
    "webhook-ca-file",
];

fn set(options: &mut Options, name: &str, value: OsString) -> Result<(), String> {
    if name == "ca-out" {
        options.ca_out = Some(PathBuf::from(value));
        return Ok(());
    }
    if name == "faults" {
        options.settings.faults.extend(faults::file::read(Path::new(&value))?);
        return Ok(());
    }
    if name == "record" {
        options.settings.record = Some(PathBuf::from(value));
        return Ok(());
    }
    let value = value.into_string().map_err(|_| "is not UTF-8".to_owned())?;
    if is_recorded(name) {
        options.settings.given.push((name.to_owned(), value.clone()));
    }
    let settings = &mut options.settings;
    let credentials = &mut settings.credentials;
    match name {
        "port" => settings.port = port(&value)?,
        "control-port" => settings.control_port = port(&value)?,
        "msn" if !headers::is_merchant_serial_number(&value) => {
            return Err(format!("must be 4 to 10 digits, not \"{value}\""));
        }
        "msn" => credentials.msn = value,
        "client-id" => credentials.client_id = not_empty(value)?,
        "client-secret" => credentials.client_secret = not_empty(value)?,
        "subscription-key" => credentials.subscription_key = not_empty(value)?,
        "merchant-name" => settings.merchant_name = not_empty(value)?,
        "currency" if !["NOK", "DKK", "EUR"].contains(&value.as_str()) => {
            return Err(format!("must be NOK, DKK or EUR, not \"{value}\""));
        }
        "currency" => settings.currency = value,
        "token-life" => {
            let life = clock::parse_duration(&value).filter(|ms| *ms > 0);
            settings.token_life_ms = life.ok_or(format!("must be a duration such as 3600s, not \"{value}\""))?;
        }
        "speed" => {
            let speed = value.parse().ok().filter(|speed| clock::SPEEDS.contains(speed));
            settings.speed = speed.ok_or(format!("must be an integer between 1 and 100000, not \"{value}\""))?;
        }
        "passenger" => settings.passenger = Rule::parse(&value)?,
        "preset" => settings.switches = Switches::preset(&value)?,
        "switch" => {
            let (switch, value) = value.split_once('=').ok_or(format!("must be name=value, not \"{value}\""))?;
            settings.switches.set(switch, value)?;
        }
        "fault" => {
            let rule = serde_json::from_str(&value).map_err(|e| format!("is no JSON: {e}"))?;
            settings.faults.push(NewRule::parse(&rule).map_err(|bad| bad.to_string())?);
        }
        "webhook-ca-file" => settings.webhook_authorities = tls::authorities(Path::new(&value))?,
        "check-answers" => {
            settings.check_answers = match value.as_str() {
                "log" => CheckAnswers::Log,
                "crash" => CheckAnswers::Crash,
                "off" => CheckAnswers::Off,
                _ => return Err(format!("must be log, crash or off, not \"{value}\"")),
            }
        }
        // The options that are switches too.
        _ => settings.switches.set(name, &value)?,
    }
    Ok(())
}

fn port(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("must be a number from 0 to 65535, not \"{value}\""))
}

fn not_empty(value: String) -> Result<String, String> {
    if value.is_empty() { Err("must not be empty".to_owned()) } else { Ok(value) }
}

pub fn help() -> String {
    let mut numbers = String::new();
    for (number, _, about) in WELL_KNOWN {
        numbers += &format!("  {number}   {about}\n");
    }
    let mut presets = String::new();
    for preset in &PRESETS {
        presets += &format!("  {:<10} {}\n", preset.name, preset.about);
    }
    let switches = control::switch_help();
    format!(
        "\
vp-simulator: the Vipps MobilePay servers on loopback, for tests and for the bench

Usage: vp-simulator [options]
       vp-simulator replay FILE   a recorded session once more: prints the answers that differ, exit code 1 if any

Try it
  vp-simulator --passenger manual               and open http://127.0.0.1:4010/phone: be the passenger
  vp-simulator --port 0 --tls --exit-with-parent    what a test program starts; it reads the first line
  curl http://127.0.0.1:4010/_sim/ledger        the books: who has paid what, and how often

Where
  --port N              port of the servers (4010); 0 takes a free one
  --control-port N      port of the control API, plain HTTP (0: a free one)
  --tls                 serve HTTPS with a throw-away authority made at start
  --ca-out PATH         where its certificate is written (a fresh temporary directory, removed at the end)
  Only 127.0.0.1 is served. The first line on stdout is JSON:
  {{\"ready\":true,\"url\":…,\"control\":…,\"ca_file\":… or null,\"phone\":…,\"pid\":…}}

Who may call
  --msn N               merchant serial number (123456)
  --client-id ID        (sim-client-id)
  --client-secret S     (sim-client-secret)
  --subscription-key K  (sim-subscription-key)
  --merchant-name NAME  as a person sees it on the phone (Kerbside Taxi)
  --currency C          of the sales unit: NOK, DKK or EUR (NOK)
  --token-life D        life of an access token (3600s)
  --push-allowed B      is the unit approved for PUSH_MESSAGE? true or false (true)
  --rate-limits B       on or off (on)

What happens
  --passenger RULE      what a passenger does (approve-after=3s): approve, decline, approve-after=D, decline-after=D,
                        ignore, manual, approve-on-cancel, no-user, push-not-allowed, or a card that fails:
                        card-refused, insufficient-funds and others, also with -after=D.
                        RULE,then-approve-after=D is a second try; busy-from=D,RULE refuses cancels from then on
  --preset NAME         a set of switches; sets every switch, so that a --switch after it wins
  --switch NAME=VALUE   how to read what the published sources leave open; see below
  --speed N             the simulator's clock runs N times faster than real time, up to 100000 (1)
  --fault JSON          a fault rule, such as
                        {{\"operation\":\"capture\",\"action\":\"lose_answer\"}}: do it and lose the answer
  --faults FILE         a file of them: a JSON list, or one rule a line

How
  --config FILE         these options in a file of TOML, as README.md has it; the command line wins over it
  --check-answers HOW   what to do about an answer that is not as the OpenAPI documents describe it: log (a line on
                        stderr, the default), crash (end at once, for tests), off
  --webhook-ca-file F   PEM certificates that https receivers of webhooks are verified against
  --record FILE         write the traffic down, without secrets and numbers of phones; see replay
  -v, --verbose         one line for each request and delivery on stderr: no secret and no phone number, but references
                        and idempotency keys as they were sent
  --exit-with-parent    end when stdin ends
  -h, --help            this page
  -V, --version         the version

Durations are numbers with ms, s, m, h or d. --switch, --fault and --faults may be given many times.

While it runs, under /_sim/ of both ports, in JSON (curl URL/_sim/NAME; -d BODY where something is to change)
  ledger, requests      what has been paid, and what was asked for; ledger/REFERENCE for one payment
  assert                {{\"reference\":…,\"captured_exactly_once\":true}}: 200, or 409 and what is not so
  passenger             {{\"rule\":\"decline\",\"phone\":\"4791234567\"}}
  payments/REFERENCE/approve, /decline    the passenger acts now (-X POST)
  faults                a fault rule, or a list; without a body: which have fired
  clock                 {{\"advance_ms\":600000}}, {{\"freeze\":true}} or {{\"speed\":60}}
  switches              {{\"preset\":\"lagging\"}}, or {{\"profile\":\"missing\"}}
  tokens/revoke, reset  every token is refused from now on; back to the command line (-X POST)
  webhooks, snapshots, recording, credentials and the rest are in README.md; docs/simulator.md has recipes.

Phone numbers with a character of their own
{numbers}
Presets of switches
{presets}
Switches, the default first
{switches}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        parse(arguments.iter().copied()).expect_err("a bad argument")
    }

    #[test]
    fn mistakes_name_the_argument() {
        for (arguments, part) in [
            (vec!["--port", "x"], "--port"),
            (vec!["--port", "65536"], "--port"),
            (vec!["--port"], "--port"),
            (vec!["--prot", "1"], "--prot"),
            (vec!["extra"], "extra"),
            (vec!["--tls=yes"], "tls"),
            (vec!["--msn", "12"], "--msn"),
            (vec!["--currency", "SEK"], "--currency"),
            (vec!["--passenger", "sleep"], "--passenger"),
            (vec!["--preset", "odd"], "--preset"),
            (vec!["--switch", "profile"], "--switch"),
            (vec!["--switch", "profile=x"], "--switch"),
            (vec!["--fault", "{}"], "operation"),
            (vec!["--rate-limits", "maybe"], "--rate-limits"),
            (vec!["--check-answers", "maybe"], "--check-answers"),
            (vec!["--token-life", "0s"], "--token-life"),
            (vec!["--webhook-ca-file", "/no/such/file"], "--webhook-ca-file"),
            (vec!["--webhook-ca-file", "/dev/null"], "no certificate"),
            (vec!["--speed", "0"], "--speed"),
            (vec!["--speed", "1e3"], "--speed"),
        ] {
            let text = refused(&arguments);
            assert!(text.contains(part), "{arguments:?}: {text}");
        }
    }

    #[test]
    fn help_names_every_option_and_fits_a_terminal() {
        let help = help();
        for option in TAKES_VALUE {
            assert!(help.contains(&format!("--{option} ")), "{option}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }

    #[test]
    fn help_names_every_switch() {
        let help = help();
        for switch in crate::switches::Switch::ALL {
            assert!(help.contains(switch.name()));
        }
    }
}
