//! What a ride costs the flash: syncs are counted on a real directory.

mod model;

use std::sync::Arc;

use model::{push, Meter};
use vpmeter_core::client::hooks::Silent;
use vpmeter_core::client::Ride;
use vpmeter_core::error::Code;
use vpmeter_core::journal::directory::Directory;
use vpmeter_core::journal::disk::RealDisk;
use vpmeter_core::money::Currency;
use vpmeter_core::receipt::{OrderLine, Receipt};

#[test]
fn an_undisturbed_ride_with_its_receipt_costs_at_most_four_file_syncs() {
    let dir = std::env::temp_dir().join(format!("vpmeter-flash-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let store = Arc::new(Directory::open(&dir, Arc::new(RealDisk::new())).unwrap());
    let m = Meter::with(Arc::new(Silent), store.clone());
    m.model.world().approve_after = Some(3_000);
    let mut request = push("trip-0001", 24_900);
    request.receipt = Some(Receipt {
        lines: vec![OrderLine {
            id: "1".into(),
            name: "Trip".into(),
            total: 24_900,
            total_excluding_vat: 22_232,
            vat: 2_668,
            vat_rate: 1200,
            quantity: None,
            discount: None,
            is_return: false,
        }],
        tip: None,
        pos_id: None,
        receipt_number: None,
        currency: Currency::Nok,
    });
    let before = store.stats();
    let ride = Ride {
        push: request,
        receipt_ms: 0,
    };
    assert_eq!(m.client.run_ride(&ride, 600_000).report.code, Code::Ok);
    let after = store.stats();
    let files = after.file_syncs - before.file_syncs;
    let dirs = after.dir_syncs - before.dir_syncs;
    println!("file syncs {files}, directory syncs {dirs}");
    assert!(files <= 4, "{files} file syncs");
    // One for the new name in open/, one for the tombstone in closed/.
    assert!(dirs <= 2, "{dirs} directory syncs");
    drop(m);
    drop(store);
    std::fs::remove_dir_all(&dir).unwrap();
}
