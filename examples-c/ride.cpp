/* A whole ride in C++: ride FARE PHONE [REFERENCE]
 *
 * As minimal.c, with values instead of pointers: FARE is in minor units, the same REFERENCE is the same ride, also after a
 * power cut. Exits 0 only if the ride is paid. */
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iostream>
#include <string>

#include <vpmeter.hpp>

static std::string environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
}

static int ride(std::int64_t amount, const std::string &phone, const std::string &reference) {
    vpmeter::Config config;
    config.base_url = environment("VPMETER_URL");
    config.ca_file = environment("VPMETER_CA_FILE");
    config.client_id = environment("VPMETER_CLIENT_ID");
    config.client_secret = environment("VPMETER_CLIENT_SECRET");
    config.subscription_key = environment("VPMETER_SUBSCRIPTION_KEY");
    config.msn = environment("VPMETER_MSN");
    config.journal_dir = environment("VPMETER_JOURNAL_DIR");
    config.market = "NO";
    config.device = "car-1";
    config.on_payment = [](const vpmeter::Payment &payment) {
        std::cout << vpmeter::driver_text(payment, "en").value << '\n';
    };
    config.on_tick = [](const char *, std::uint32_t) {
        return VP_TICK_GO_ON; /* kick the watchdog, repaint, look at the keys */
    };

    vpmeter::PushPayment request;
    request.reference = reference;
    request.on_approval = VP_THEN_CAPTURE;
    request.amount = amount;
    request.currency = "NOK";
    request.phone = phone;
    request.description = "Taxi";
    request.receipt.lines.push_back(vpmeter::OrderLine("ride", "Taxi", amount, 1200));

    vpmeter::Client client(config); /* throws if the settings are wrong, or the journal is not to be had */
    client.settle(10000);           /* first what the last run left open */
    const vpmeter::Outcome outcome = client.run_ride(request, 660000);
    if (!outcome.ok()) std::cout << outcome.error.text() << '\n';
    std::cout << "captured " << outcome.payment.captured << " of " << amount << '\n';
    return outcome.payment.verdict == VP_VERDICT_PAID_LEAVE ? 0 : 1;
}

int main(int argc, char **argv) {
    const std::int64_t amount = argc > 2 ? std::strtoll(argv[1], nullptr, 10) : 0;
    if (amount <= 0) {
        std::cerr << "usage: " << argv[0] << " FARE PHONE [REFERENCE]; FARE in minor units\n";
        return 2;
    }
    try {
        return ride(amount, argv[2], argc > 3 ? argv[3] : "ride-" + std::to_string(std::time(nullptr)));
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
}
