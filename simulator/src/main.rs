//! `vp-simulator`: reads the command line, starts the servers, waits for the end.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use vp_simulator::cli::{self, Command, Options};
use vp_simulator::{Simulator, temp::TempDir};

const BAD_START: u8 = 2;

fn main() -> ExitCode {
    let options = match cli::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Replay(path)) => return replay(&path),
        Ok(Command::Help) => return print(&cli::help()),
        Ok(Command::Version) => return print(concat!("vp-simulator ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(reason) => return fail(&format!("{reason}\nTry --help.")),
    };
    match run(*options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(&reason),
    }
}

fn replay(path: &Path) -> ExitCode {
    match vp_simulator::replay(path) {
        Err(reason) => fail(&reason),
        Ok((told, same)) => {
            print(&told);
            if same { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
    }
}

fn print(text: &str) -> ExitCode {
    // A reader such as `head` may have gone; that is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(reason: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "vp-simulator: {reason}");
    ExitCode::from(BAD_START)
}

fn run(options: Options) -> Result<(), String> {
    // Signals are caught before anything exists that would have to be removed.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let _entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let (parent, mut gone) = oneshot::channel::<()>();
    // Whoever holds the sender decides when it ends: a thread at the end of stdin, or this function at its own.
    let _held = if options.exit_with_parent {
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            drop(parent);
        });
        None
    } else {
        Some(parent)
    };

    let simulator = Simulator::start(options.settings).map_err(|e| e.to_string())?;
    let mut directory = None;
    let ca_file = match &simulator.ca_pem {
        None => None,
        Some(pem) => Some(write_ca(pem, options.ca_out, &mut directory)?),
    };
    let ready = serde_json::json!({
        "ready": true,
        "url": simulator.url,
        "control": simulator.control_url,
        "ca_file": ca_file,
        "phone": format!("{}/phone", simulator.control_url),
        "pid": std::process::id(),
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "{ready}").and_then(|()| stdout.flush()).map_err(|e| format!("cannot write to stdout: {e}"))?;

    runtime.block_on(std::future::poll_fn(|cx| {
        let ended = interrupt.poll_recv(cx).is_ready()
            || terminate.poll_recv(cx).is_ready()
            || Pin::new(&mut gone).poll(cx).is_ready();
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }));
    drop(simulator);
    drop(directory);
    vp_simulator::last_words();
    Ok(())
}

fn write_ca(pem: &str, wanted: Option<PathBuf>, directory: &mut Option<TempDir>) -> Result<String, String> {
    let path = match wanted {
        Some(path) => path,
        None => {
            let made = TempDir::new().map_err(|e| format!("cannot make a temporary directory: {e}"))?;
            let path = made.path().join("ca.pem");
            *directory = Some(made);
            path
        }
    };
    fs::write(&path, pem).map_err(|e| format!("--ca-out: cannot write {}: {e}", path.display()))?;
    Ok(path.display().to_string())
}
