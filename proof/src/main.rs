//! The proof: `vp-proof explore` searches the pure rules exhaustively in bounded families, `vp-proof simulate` runs the real
//! client against a simulated world.

mod explore;
mod model;
mod page;
mod simulate;

use std::process::ExitCode;

const USAGE: &str = "\
vp-proof simulate [--seed N] [--from N] [--runs N] [--seconds N] [--most N] [--survey] [--stories DIR] [--doc FILE] [--only PROPERTY]
                  [--late-capture MINUTES] [--no-threads] [--storm] [--ignore PROPERTY,...] [--trace]
vp-proof explore [--quick] [--family TEXT] [--menu long] [--faults N] [--inside SECONDS] [--tick SECONDS] [--break NAME] [--sharp]
                 [--minutes N] [--gigabytes N] [--threads N] [--doc FILE]
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let ok = match args.next().as_deref() {
        Some("simulate") => match asked(args) {
            Ok(asked) => simulate::main(&asked),
            Err(why) => {
                eprint!("{why}\n{USAGE}");
                return ExitCode::from(2);
            }
        },
        Some("explore") => return explore::run(&args.collect::<Vec<_>>()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn asked(mut args: impl Iterator<Item = String>) -> Result<simulate::Asked, String> {
    let mut asked = simulate::Asked {
        seed: None,
        from: 1,
        runs: 100_000,
        seconds: None,
        most: 1,
        survey: false,
        settings: simulate::Settings::default(),
        stories: None,
        only: None,
        trace: false,
        doc: None,
    };
    while let Some(name) = args.next() {
        let mut value = || args.next().ok_or(format!("{name} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
        match name.as_str() {
            "--seed" => asked.seed = Some(number(value()?)?),
            "--from" => asked.from = number(value()?)?,
            "--runs" => asked.runs = number(value()?)?,
            "--seconds" => asked.seconds = Some(number(value()?)?),
            "--most" => asked.most = number(value()?)? as usize,
            "--survey" => asked.survey = true,
            "--stories" => asked.stories = Some(value()?),
            "--only" => asked.only = Some(value()?),
            "--late-capture" => {
                asked.settings.bounds.capture = number(value()?)? as i64 * 60_000;
                asked.settings.raised = true;
            }
            "--doc" => asked.doc = Some(value()?),
            "--trace" => asked.trace = true,
            "--ignore" => {
                asked.settings.ignored = value()?.split(',').map(str::to_string).collect();
            }
            "--storm" => asked.settings.storm = true,
            "--no-threads" => asked.settings.threads = false,
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(asked)
}
