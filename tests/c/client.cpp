/* vpmeter.hpp at work: client SCENARIO. Servers and journal come from the environment, as for examples-c/ride.cpp. Checks
 * itself, says what does not hold, and exits 0 if everything does. */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <vpmeter.hpp>

namespace {

int wrong = 0;

void check(bool holds, const char *what, int line) {
    if (holds) return;
    ++wrong;
    std::printf("line %d: %s\n", line, what);
}
#define CHECK(...) check((__VA_ARGS__), #__VA_ARGS__, __LINE__)
#define NEVER(what) check(false, what, __LINE__)

const char *const REFERENCE = "cpp-ride-0001";
const std::int64_t FARE = 24900;
/* Longer than any test: what ends before this was ended. */
const std::uint32_t LONG = 600000;

std::string environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
}

vpmeter::Config settings() {
    vpmeter::Config config;
    config.base_url = environment("VPMETER_URL");
    config.client_id = "sim-client-id";
    config.client_secret = "sim-client-secret";
    config.subscription_key = "sim-subscription-key";
    config.msn = "123456";
    config.market = "NO";
    config.device = "cpp-1";
    config.journal_dir = environment("VPMETER_JOURNAL_DIR");
    config.poll_first_ms = 100;
    config.poll_every_ms = 500;
    return config;
}

vpmeter::PushPayment fare(const std::string &reference = REFERENCE) {
    vpmeter::PushPayment request;
    request.on_approval = VP_THEN_CAPTURE;
    request.amount = FARE;
    request.currency = "NOK";
    request.reference = reference;
    request.phone = "912 34 567";
    request.trip = reference;
    return request;
}

vpmeter::Client opened(const vpmeter::Config &config = settings()) {
    vpmeter::Result<vpmeter::Client> result = vpmeter::Client::open(config);
    CHECK(result.ok());
    CHECK(static_cast<bool>(result.value));
    return std::move(result.value);
}

/* A whole ride, and everything that can be asked around it. */
void values() {
    int changes = 0;
    vpmeter::Config config = settings();
    config.on_payment = [&](const vpmeter::Payment &payment) { changes += payment.has_record() ? 1 : 0; };
    vpmeter::Client client = opened(config);

    vpmeter::PushPayment request = fare();
    request.receipt.lines = {vpmeter::OrderLine("ride", "Taxi", FARE - 900, 1200), vpmeter::OrderLine("toll", "Bom", 900, 0)};
    CHECK(request.receipt.lines[0].total_excluding_vat + request.receipt.lines[0].vat == FARE - 900);
    vpmeter::Ride ride(request);
    ride.receipt_ms = 5000;
    const vpmeter::Outcome outcome = client.run_ride(ride, LONG);
    vpmeter::Outcome copy = outcome;
    copy.payment.captured = 0;
    CHECK(copy.ok());
    CHECK(outcome.ok());
    CHECK(outcome.group() == vpmeter::Group::ok);
    CHECK(outcome.payment.verdict == VP_VERDICT_PAID_LEAVE);
    CHECK(outcome.payment.captured == FARE);
    CHECK(outcome.payment.owed == 0);
    CHECK(changes > 1);
    CHECK(vpmeter::driver_text(outcome.payment, "en").value == "Paid. The passenger may leave.");

    CHECK(client.known_payment(REFERENCE).payment.captured == FARE);
    CHECK(client.known_payment("nobody-knows-it").code() == VP_ERR_NO_SUCH_PAYMENT);
    CHECK(!client.known_payment("nobody-knows-it").payment.has_record());
    const vpmeter::Result<std::vector<vpmeter::Event>> events = client.get_events(REFERENCE, LONG);
    CHECK(events.ok());
    CHECK(events.value.size() >= 3);
    CHECK(std::string(events.value.front().name) == "CREATED");

    /* The same twice is one; another reference is another payment. */
    CHECK(client.run_ride(request, LONG).ok());
    CHECK(client.run_ride(fare("cpp-ride-0002"), LONG).ok());
    CHECK(client.list_payments().value.size() == 2);
    vpmeter::Filter filter;
    filter.trip = "cpp-ride-0002";
    CHECK(client.list_payments(filter).value.size() == 1);
    int heard = 0;
    CHECK(client.list_payments(vpmeter::Filter(), [&](const vpmeter::Payment &) { return ++heard, false; }).ok());
    CHECK(heard == 1);
    CHECK(client.list_payments(filter, vpmeter::ListFn()).code() == VP_ERR_NULL_POINTER);

    /* In steps, held and let go, with what is left over to the office. */
    vpmeter::PushPayment held = fare("cpp-ride-0003");
    held.on_approval = VP_THEN_HOLD;
    CHECK(client.create_push_payment(held, LONG).ok());
    CHECK(client.poll(held.reference, LONG).payment.next_step == VP_NEXT_CAPTURE);
    CHECK(client.settle(LONG).value.size() == 1);
    CHECK(client.capture(held.reference, 900, 0, LONG).ok());
    CHECK(client.capture(held.reference, 900, 0, LONG).payment.captured == 900);
    CHECK(client.capture(held.reference, 100, vpmeter::nth(2), LONG).payment.captured == 1000);
    vpmeter::Receipt receipt;
    receipt.lines = {vpmeter::OrderLine("ride", "Taxi", 1000, 1200)};
    CHECK(client.post_receipt(held.reference, receipt, LONG).ok());
    CHECK(client.refund(held.reference, 1, 0, LONG).code() == VP_ERR_NOT_PERMITTED);
    CHECK(client.decide(held.reference, VP_DECIDE_CAPTURE, LONG).code() == VP_ERR_WRONG_STATE);
    const vpmeter::Result<std::vector<vpmeter::Exported>> exported = client.export_payments();
    CHECK(exported.ok());
    CHECK(exported.value.size() == 1);
    CHECK(exported.value.at(0).reference == held.reference);
    CHECK(client.import_payment(exported.value.at(0).record).code() == VP_ERR_REFERENCE_IN_USE);
    CHECK(client.write_off(REFERENCE, "nothing is owed").code() == VP_ERR_WRONG_STATE);
    CHECK(client.worker_run(10).code() >= VP_OK);
    CHECK(client.storage_cost().value.file_syncs > 0);

    /* Strings as they are given. */
    CHECK(client.poll(std::string("cpp\0ride", 8), 0).code() == VP_ERR_INVALID_ARGUMENT);
    CHECK(std::string(client.poll(std::string("cpp-ride-0001\0x", 15), 0).error.field) == "reference");
    CHECK(client.poll("", 0).code() == VP_ERR_INVALID_ARGUMENT);
    const vpmeter::Outcome nameless = client.create_push_payment(vpmeter::PushPayment(), 0);
    CHECK(nameless.group() == vpmeter::Group::callers_mistake);
    CHECK(vpmeter::normalize_phone("912 34 567", "NO").value == "4791234567");
    CHECK(vpmeter::normalize_phone("1", "NO").code() == VP_ERR_INVALID_ARGUMENT);
    CHECK(vpmeter::next_reference("trip-0001").value == "trip-0001-2");
    CHECK(vpmeter::split_gross(11200, 1200).value.vat == 1200);
    CHECK(std::string(vpmeter::build_id()).size() == 40);
    CHECK(std::string(vpmeter::version()) == VPMETER_VERSION);
    CHECK(vpmeter::version_number() == VPMETER_VERSION_NUMBER);
    CHECK(std::string(vpmeter::status_name(VP_PENDING)) == "VP_PENDING");

    vpmeter::Config bad = settings();
    CHECK(vpmeter::Client::open(bad).code() == VP_ERR_STORAGE_IN_USE);
    bad.market.clear();
    CHECK(std::string(vpmeter::Client::open(bad).error.field) == "market");
    vp_hooks hooks = VP_HOOKS_INIT;
    hooks.struct_size = 8;
    bad.hooks = &hooks;
    CHECK(vpmeter::Client::open(bad).code() == VP_ERR_STRUCT_SIZE);
}

/* Registered, listed, deleted; and a signature that is published with the documentation of 2023, over a body that is no event. */
void webhooks() {
    vpmeter::Client client = opened();
    const vpmeter::Result<vpmeter::NewRegistration> made = client.register_webhook("http://127.0.0.1:9/hook", "AUTHORIZED", LONG);
    CHECK(made.ok());
    CHECK(made.value.secret.size() == 88);
    const vpmeter::Result<std::vector<vpmeter::Registration>> list = client.list_webhooks(LONG);
    CHECK(list.value.size() == 1);
    CHECK(list.value.at(0).id == made.value.id);
    CHECK(list.value.at(0).url == "http://127.0.0.1:9/hook");
    CHECK(client.delete_webhook(made.value.id, LONG).ok());
    CHECK(client.delete_webhook(made.value.id, LONG).code() == VP_ERR_REFUSED);
    CHECK(client.list_webhooks(LONG).value.empty());
    CHECK(client.list_webhooks(LONG, vpmeter::RegistrationFn()).code() == VP_ERR_NULL_POINTER);
    CHECK(client.apply_webhook("nobody-knows-it", "AUTHORIZED", "", 0).code() == VP_ERR_NO_SUCH_PAYMENT);
    CHECK(client.webhook_count().value.unknown == 1);

    vpmeter::Webhook webhook;
    webhook.method = "POST";
    webhook.target = "/e2cee29b-012e-4f1d-8ef4-e95fd74a7a63";
    webhook.host = "webhook.site";
    webhook.body = "{\"some-unique-content\":\"ee6e441b-cc4a-46f8-895d-a5af79bcc233/hello-world\"}";
    webhook.secret = "A0+AeKBRG2KRGvnNwJpQlb6IJFk48CKXCIcrLoHncVJKDILsQSxS6NWCccwWm6r6FhGKhiHTBsG2wo/xU6FY/A==";
    webhook.headers.emplace_back("x-ms-date", "Thu, 30 Mar 2023 08:38:32 GMT");
    webhook.headers.emplace_back("x-ms-content-sha256", "lNlsp1XA03N34HrQsVzPgJKtC+r7l/RBF4V3JQUWMj4=");
    webhook.headers.emplace_back("Authorization", "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
                                                  "agAiSyogQbDHpeucoNwYz+yAr5nJ+v+zasdkSbqzv+U=");
    CHECK(vpmeter::verify_webhook(webhook).code() == VP_ERR_NOT_AN_EVENT);
    webhook.fresh_ms = 1;
    CHECK(vpmeter::verify_webhook(webhook).code() == VP_ERR_NOT_FRESH);
    webhook.fresh_ms = 0;
    webhook.body += " ";
    CHECK(vpmeter::verify_webhook(webhook).code() == VP_ERR_NOT_GENUINE);
}

void moves() {
    vpmeter::Client first = opened();
    vpmeter::Client second(std::move(first));
    CHECK(!first);
    CHECK(static_cast<bool>(second));
    /* What was moved from is a client that is not open: a code, on every call. */
    CHECK(first.poll(REFERENCE, 0).group() == vpmeter::Group::callers_mistake);
    CHECK(first.settle(0).group() == vpmeter::Group::callers_mistake);
    CHECK(first.close() == VP_OK);
    first.interrupt();
    first.interrupt(std::string(REFERENCE));
    vpmeter::Client &alias = second;
    second = std::move(alias);
    CHECK(static_cast<bool>(second));
    first = std::move(second);
    CHECK(first.settle(0).group() != vpmeter::Group::callers_mistake);
    /* Assigned over, the one before is closed: its journal can be had again. */
    first = vpmeter::Client();
    first = opened();
    CHECK(first.close() == VP_OK);
    CHECK(first.close() == VP_OK);
    CHECK(first.known_payment(REFERENCE).group() == vpmeter::Group::callers_mistake);
    first = opened();
}

/* Let go in a callback, its own and another's: closed when the call is over. */
void in_callbacks() {
    std::unique_ptr<vpmeter::Client> client;
    std::int32_t closing = VP_OK;
    vpmeter::Config config = settings();
    config.on_payment = [&](const vpmeter::Payment &) {
        if (!client) return;
        closing = client->close();
        CHECK(static_cast<bool>(*client));
        CHECK(client->poll(REFERENCE, 0).code() == VP_ERR_REENTRANT);
        CHECK(client->list_payments().ok());
        client.reset();
    };
    client.reset(new vpmeter::Client(opened(config)));
    const vpmeter::Outcome outcome = client->create_push_payment(fare(), LONG);
    CHECK(!client);
    CHECK(closing == VP_ERR_REENTRANT);
    CHECK(outcome.payment.has_record());
    vpmeter::Client again = opened();
    CHECK(again.run_ride(fare(), LONG).ok());
}

void threads() {
    std::unique_ptr<vpmeter::Client> client;
    std::atomic<bool> waits(false);
    vpmeter::Config config = settings();
    config.on_tick = [&](const char *, std::uint32_t waited_ms) {
        if (waited_ms > 0) waits = true;
        return VP_TICK_GO_ON;
    };
    client.reset(new vpmeter::Client(opened(config)));
    CHECK(client->create_push_payment(fare(), LONG).ok());
    for (int i = 0; i < 2; ++i) {
        std::int32_t code = VP_OK;
        waits = false;
        vpmeter::Client &shared = *client;
        std::thread waiting([&] { code = shared.poll(REFERENCE, LONG).code(); });
        while (!waits) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (i == 0) {
            CHECK(shared.close() == VP_ERR_BUSY);
            CHECK(static_cast<bool>(shared));
            shared.interrupt(REFERENCE);
        } else {
            client.reset();
        }
        waiting.join();
        CHECK(code == VP_ERR_INTERRUPTED || code == VP_PENDING || code == VP_ERR_OUTCOME_UNKNOWN);
    }
    client.reset(new vpmeter::Client(opened()));
    CHECK(client->cancel(REFERENCE, VP_CANCEL_IF_NOT_APPROVED, LONG).ok());
}

/* Hooks in C with a `user` of their own, beside std::functions. */
struct Memory {
    std::map<std::string, std::string> records{};
    int lines = 0;

    static std::string key(std::int32_t shelf, const char *name) { return std::to_string(shelf) + name; }
    static Memory &of(void *user) { return *static_cast<Memory *>(user); }
    static std::int32_t put(void *user, std::int32_t shelf, const char *name, const void *bytes, std::uint32_t size) {
        of(user).records[key(shelf, name)] = std::string(static_cast<const char *>(bytes), size);
        return VP_STORE_OK;
    }
    static std::int32_t get(void *user, std::int32_t shelf, const char *name, void *buffer, std::uint32_t size) {
        const auto found = of(user).records.find(key(shelf, name));
        if (found == of(user).records.end()) return VP_STORE_NOTHING;
        if (found->second.size() > size) return VP_STORE_FAILED;
        std::memcpy(buffer, found->second.data(), found->second.size());
        return static_cast<std::int32_t>(found->second.size());
    }
    static std::int32_t remove(void *user, std::int32_t shelf, const char *name) {
        return of(user).records.erase(key(shelf, name)) == 1 ? VP_STORE_OK : VP_STORE_NOTHING;
    }
    static std::int32_t each(void *user, std::int32_t shelf, vp_store_name_fn name, void *context) {
        for (const auto &record : of(user).records)
            if (record.first.compare(0, 1, std::to_string(shelf)) == 0 && name(context, record.first.c_str() + 1) != 0) break;
        return VP_STORE_OK;
    }
    static void log(void *user, std::int32_t, const char *) { ++of(user).lines; }
    static void never(void *, const vp_payment *) { NEVER("the std::function counts"); }
};

void c_hooks() {
    Memory memory;
    int changes = 0;
    vpmeter::Config config = settings();
    vp_hooks hooks = VP_HOOKS_INIT;
    hooks.user = &memory;
    hooks.store_put = Memory::put;
    hooks.store_get = Memory::get;
    hooks.store_remove = Memory::remove;
    hooks.store_each = Memory::each;
    hooks.on_log = Memory::log;
    hooks.on_payment = Memory::never;
    config.hooks = &hooks;
    config.journal_dir.clear();
    config.on_payment = [&](const vpmeter::Payment &) { ++changes; };
    CHECK(opened(config).run_ride(fare(), LONG).ok());
    CHECK(memory.records.count("1" + std::string(REFERENCE)) == 1);
    CHECK(memory.lines > 0);
    CHECK(changes > 0);
}

#ifndef VPMETER_NO_EXCEPTIONS

struct Thrown {
    const char *where;
};

/* The callback `where` throws out of `call`. */
template <class F> void throws(const char *where, F &&call, int line) {
    try {
        call();
        check(false, where, line);
    } catch (const Thrown &thrown) {
        check(std::string(thrown.where) == where, thrown.where, line);
    }
}
#define THROWS(where, ...) throws(where, [&] { __VA_ARGS__; }, __LINE__)

/* Whatever a callback throws comes out of the call that it was made in, and the money stays right. */
void throwing() {
    std::string bad;
    int ticks = 0, items = 0;
    vpmeter::Client *inside = nullptr;
    const auto perhaps = [&](const char *where) {
        if (bad == where) throw Thrown{where};
    };
    vpmeter::Config config = settings();
    config.on_payment = [&](const vpmeter::Payment &) {
        perhaps("on_payment");
        if (bad == "inside") inside->list_payments(vpmeter::Filter(), [](const vpmeter::Payment &) -> bool { throw Thrown{"inside"}; });
    };
    config.on_tick = [&](const char *, std::uint32_t) {
        ++ticks;
        perhaps("on_tick");
        return VP_TICK_GO_ON;
    };
    config.on_log = [&](std::int32_t, const char *) { perhaps("on_log"); };
    config.wall_ms = [&] {
        perhaps("wall_ms");
        return static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                             std::chrono::system_clock::now().time_since_epoch())
                                             .count());
    };
    config.monotonic_ms = [&] {
        perhaps("monotonic_ms");
        return vpmeter::detail::steady_ms() + 1000000;
    };
    config.sleep_ms = [&](std::uint32_t ms) {
        perhaps("sleep_ms");
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    };

    /* Before there was any answer of the clock: not opened, and the journal is free. */
    bad = "wall_ms";
    try {
        const vpmeter::Result<vpmeter::Client> none = vpmeter::Client::open(config);
        CHECK(none.ok() || none.code() == VP_ERR_CLOCK);
    } catch (const Thrown &) {
    }
    bad.clear();
    vpmeter::Client client(config);
    inside = &client;

    bad = "on_payment";
    THROWS("on_payment", client.create_push_payment(fare(), LONG));
    bad.clear();
    CHECK(client.known_payment(REFERENCE).payment.state == VP_STATE_CREATED);
    /* Nobody approves: each of these would wait for ten minutes. The first tick ends it, and no further one is asked. */
    for (const char *where : {"on_tick", "monotonic_ms", "sleep_ms", "wall_ms"}) {
        bad = where;
        ticks = 0;
        THROWS(where, client.poll(REFERENCE, LONG));
        CHECK(bad != "on_tick" || ticks == 1);
    }
    bad.clear();
    CHECK(client.poll(REFERENCE, 10).pending());

    /* Lists end with the first. */
    CHECK(client.create_push_payment(fare("cpp-ride-0002"), LONG).ok());
    const auto item = [&](const char *where) {
        ++items;
        throw Thrown{where};
    };
    const auto lists = [&](const vpmeter::Payment &) -> bool { return item("list"), true; };
    THROWS("list", client.list_payments(vpmeter::Filter(), lists));
    CHECK(items == 1);
    THROWS("settle", client.settle(10, [&](const vpmeter::Payment &) { item("settle"); }));
    CHECK(items == 2);
    THROWS("events", client.get_events(REFERENCE, LONG, [&](const vpmeter::Event &) -> bool { return item("events"), true; }));
    CHECK(items == 3);
    bad = "inside";
    THROWS("inside", client.cancel(REFERENCE, VP_CANCEL_IF_NOT_APPROVED, LONG));
    bad = "on_log";
    THROWS("on_log", client.cancel("cpp-ride-0002", VP_CANCEL_IF_NOT_APPROVED, LONG));
    bad.clear();
    for (const char *reference : {REFERENCE, "cpp-ride-0002"})
        CHECK(client.cancel(reference, VP_CANCEL_IF_NOT_APPROVED, LONG).payment.verdict == VP_VERDICT_TAKE_OTHER_PAYMENT);

    CHECK(client.create_push_payment(fare("cpp-ride-0003"), LONG).ok());
    THROWS("export", client.export_payments([&](const char *, const char *) { item("export"); }));
    CHECK(client.export_payments().value.size() == 1);

    /* Nothing of that is left behind. */
    CHECK(client.settle(10).code() >= VP_OK);
    CHECK(client.close() == VP_OK);

    /* Codes as exceptions, for who wants them. */
    try {
        client.poll(REFERENCE, 0).or_throw();
        NEVER("thrown");
    } catch (const vpmeter::Exception &exception) {
        CHECK(exception.group() == vpmeter::Group::callers_mistake);
        CHECK(std::string(exception.what()).find(vpmeter::status_name(exception.code())) == 0);
        CHECK(!exception.payment().has_record());
    }
    config.device.clear();
    try {
        const vpmeter::Client refused(config);
        NEVER("thrown");
    } catch (const std::runtime_error &exception) {
        CHECK(std::string(exception.what()).find("device") != std::string::npos);
    }
    CHECK(opened().known_payment(REFERENCE).or_throw().state == VP_STATE_TERMINATED);
    CHECK(vpmeter::next_reference("trip-0001").or_throw() == "trip-0001-2");
}

#endif

} // namespace

int main(int argc, char **argv) {
    const std::string scenario = argc > 1 ? argv[1] : "";
    if (scenario == "values")
        values();
    else if (scenario == "moves")
        moves();
    else if (scenario == "in_callbacks")
        in_callbacks();
    else if (scenario == "threads")
        threads();
    else if (scenario == "webhooks")
        webhooks();
    else if (scenario == "c_hooks")
        c_hooks();
#ifndef VPMETER_NO_EXCEPTIONS
    else if (scenario == "throwing")
        throwing();
#endif
    else
        NEVER("a scenario");
    return wrong == 0 ? 0 : 1;
}
