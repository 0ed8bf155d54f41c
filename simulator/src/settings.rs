//! What the command line says; a reset goes back to it.

use std::path::PathBuf;

use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::clock::{HOUR, SECOND};
use crate::faults::NewRule;
use crate::passenger::{Act, Rule};
use crate::switches::Switches;

#[derive(Clone, Debug)]
pub struct Credentials {
    pub client_id: String,
    pub client_secret: String,
    pub subscription_key: String,
    pub msn: String,
}

/// What happens when an answer is not as the OpenAPI documents describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckAnswers {
    /// A line on stderr, and a count in the control API's `health`.
    Log,
    /// The whole process ends at once: for tests.
    Crash,
    Off,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// 0 means any free port.
    pub port: u16,
    pub control_port: u16,
    pub tls: bool,
    pub credentials: Credentials,
    /// What a person sees on the phone.
    pub merchant_name: String,
    /// Of the sales unit; payments in any other are refused with 5040.
    pub currency: String,
    pub token_life_ms: i64,
    /// How many times faster than real time the clock runs.
    pub speed: i64,
    pub passenger: Rule,
    pub switches: Switches,
    pub faults: Vec<NewRule>,
    /// Who may have signed the certificates of webhook receivers.
    pub webhook_authorities: Vec<CertificateDer<'static>>,
    pub verbose: bool,
    pub check_answers: CheckAnswers,
    /// Where the traffic is written down.
    pub record: Option<PathBuf>,
    /// The options that shape answers, as they were given, for the head of a recording.
    pub given: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            port: 4010,
            control_port: 0,
            tls: false,
            credentials: Credentials {
                client_id: "sim-client-id".to_owned(),
                client_secret: "sim-client-secret".to_owned(),
                subscription_key: "sim-subscription-key".to_owned(),
                msn: "123456".to_owned(),
            },
            merchant_name: "Kerbside Taxi".to_owned(),
            currency: "NOK".to_owned(),
            token_life_ms: HOUR,
            speed: 1,
            passenger: Rule { act: Act::ApproveAfter(3 * SECOND), busy_from: None },
            switches: Switches::default(),
            faults: Vec::new(),
            webhook_authorities: Vec::new(),
            verbose: false,
            check_answers: CheckAnswers::Log,
            record: None,
            given: Vec::new(),
        }
    }
}
