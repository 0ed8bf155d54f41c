"""The picture of the phone page in the README: screenshot.py PNG"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

from ride import Merchant, receipt  # noqa: E402
from vp_simulator import Simulator  # noqa: E402
from webdriver import Browser  # noqa: E402

LIMIT = 200_000


def stage(simulator, browser):
    """A ride whose capture lost its answer, one that was declined, and one that waits for the passenger."""
    merchant = Merchant(simulator)
    simulator.faults({"operation": "capture", "action": "lose_answer"})
    merchant.ask("taxi-7-0041", 18950, receipt=receipt(16150, 2800, "000041"))
    simulator.approve("taxi-7-0041")
    amount = {"modificationAmount": {"value": 18950, "currency": "NOK"}}
    path = "/epayment/v1/payments/taxi-7-0041/capture"
    merchant.refused("POST", path, amount, "taxi-7-0041-c1")
    merchant.call("POST", path, amount, "taxi-7-0041-c1")
    merchant.ask("taxi-7-0042", 31400, receipt=receipt(28400, 3000))
    browser.click("Payment request")
    browser.until("return document.querySelector('#screen .receipt') && document.querySelectorAll('#requests tr').length === 5")
    browser.run("document.activeElement.blur()")


def main(picture):
    browser = Browser()
    try:
        with Simulator("--passenger", "manual") as simulator:
            browser.look(1280, 820, "light")
            browser.open(simulator.phone)
            browser.until("return document.querySelector('.lock')")
            stage(simulator, browser)
            image = browser.picture()
            browser.open("about:blank")
    finally:
        browser.close()
    if len(image) > LIMIT:
        sys.exit(f"the picture has {len(image)} bytes, more than {LIMIT}")
    Path(picture).write_bytes(image)
    print(f"{picture}: {len(image)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
