//! The families: what each begins with, what can happen in it, and where it is cut.

use vpmeter_core::payment::{Decision, OnApproval};

use super::broken::Broken;
use super::family::Family;
use super::fates::Menu;
use super::meter::{Ask, FARE};
use super::server::{Kind, Reading, What};

const MINUTE: i64 = 60_000;

/// What the documents leave open, at its friendliest.
const FRIENDLY: Reading = Reading {
    metadata: true,
    event_keys: true,
    sticky: false,
};

/// The rules' own bound for late copies of captures, refunds and cancels is the quiet time of ten minutes. Copies act
/// for nine, and sums and log lag for nine: what is beyond is a presumption, and `--break late-world` shows that it is needed.
const LATE_MS: i64 = 9 * MINUTE;

fn family(name: &'static str, about: &'static str) -> Family {
    Family {
        name,
        about,
        plans: Vec::new(),
        on_approval: OnApproval::Hold,
        readings: vec![
            FRIENDLY,
            Reading {
                event_keys: false,
                sticky: true,
                ..FRIENDLY
            },
        ],
        approved: true,
        faults: 1,
        twice: false,
        cuts: 1,
        sleeps: 1,
        portal: Vec::new(),
        menu: Menu::Short,
        spared: Vec::new(),
        in_flight: false,
        tick: 3 * MINUTE,
        late_ms: LATE_MS,
        inside_ms: LATE_MS,
        create_late_ms: 10 * MINUTE,
        lag_ms: LATE_MS,
        broken: Broken::Nothing,
    }
}

/// Every family. `quick`: within half a minute.
pub fn all(quick: bool) -> Vec<Family> {
    let capture = |nth, amount, last| Ask::Capture { nth, amount, last };
    let refund = |nth, amount| Ask::Refund { nth, amount };
    let whole = capture(1, FARE, true);
    let mut families = vec![
        Family {
            plans: vec![vec![whole]],
            portal: vec![
                (What::Captured, 5_000),
                (What::Captured, FARE),
                (What::Cancelled, 0),
            ],
            twice: true,
            ..family("whole fare", "the whole reservation is captured")
        },
        Family {
            plans: vec![
                vec![capture(1, 8_000, false), capture(2, 10_000, true)],
                vec![capture(1, 8_000, true), capture(2, 8_000, false)],
                vec![capture(1, 8_000, false), Ask::Decide(Decision::Capture)],
            ],
            portal: vec![(What::Captured, 8_000)],
            ..family(
                "two captures",
                "two parts of it are captured, and the rest released",
            )
        },
        Family {
            plans: vec![
                vec![whole, refund(1, 5_000), refund(2, 5_000)],
                vec![
                    capture(1, 8_000, false),
                    refund(1, 5_000),
                    capture(2, 8_000, true),
                ],
            ],
            portal: vec![(What::Refunded, 5_000)],
            ..family(
                "capture and refund",
                "a capture, and parts of it given back",
            )
        },
        Family {
            plans: vec![
                vec![Ask::Withdraw, whole],
                vec![Ask::Withdraw, Ask::GiveUp],
                vec![Ask::GiveUp, whole],
                vec![whole, Ask::GiveUp],
            ],
            approved: false,
            portal: vec![(What::Cancelled, 0)],
            ..family(
                "change of mind",
                "cancelled if not approved, given up, captured after all",
            )
        },
        Family {
            plans: vec![vec![whole], vec![Ask::Withdraw, Ask::GiveUp]],
            on_approval: OnApproval::Capture,
            approved: false,
            spared: vec![Kind::Capture],
            readings: vec![
                FRIENDLY,
                Reading {
                    metadata: false,
                    ..FRIENDLY
                },
            ],
            ..family(
                "lost create",
                "the create's answer is lost, late, refused or foreign",
            )
        },
    ];
    if quick {
        for f in &mut families {
            f.sleeps = 0;
            f.readings.remove(0);
            if !f.approved {
                f.portal.clear();
                f.tick = 5 * MINUTE;
            }
        }
        return families;
    }
    // Two faults with one answer of each kind, where that can be finished; one fault with every answer.
    let twice = families.iter().filter(|f| f.twice).cloned();
    let twice: Vec<Family> = twice.map(|f| Family { faults: 2, ..f }).collect();
    let minds = families.iter().filter(|f| f.name == "change of mind");
    let in_flight: Vec<Family> = minds
        .cloned()
        .map(|f| Family {
            name: "asked in flight",
            about: "the same, asked for, cut off and approved while an answer is on its way",
            in_flight: true,
            sleeps: 0,
            tick: 5 * MINUTE,
            portal: Vec::new(),
            ..f
        })
        .collect();
    for f in &mut families {
        f.menu = Menu::Long;
    }
    families.extend(in_flight);
    families.extend(twice);
    families
}
