/*
 * vpmeter in C++: vpmeter.h as values, one movable client and std::function. C++11 up to C++23; a header and nothing else,
 * so it needs no library but the one that C needs. What functions mean is said in vpmeter.h and holds here too.
 *
 *   vpmeter::Config config;                       // every member of vp_config, the strings as std::string
 *   config.base_url = "https://api.vipps.no";     // ...
 *   config.on_tick = [&](const char *, std::uint32_t) { watchdog.kick(); return VP_TICK_GO_ON; };
 *
 *   vpmeter::Client client(config);               // or Client::open(config), which does not throw
 *   client.settle(10000);                         // what the last run left open
 *
 *   vpmeter::PushPayment request;                 // every member of vp_push_payment
 *   request.reference = "taxi7-20261123-0042";    // ...
 *   vpmeter::Outcome ride = client.run_ride(request, 660000);
 *   show(ride.payment.verdict, vpmeter::driver_text(ride.payment, "nb").value);
 *
 * Results. A call returns what it gave by value: `error` (a vp_error; its `code` is what the C function returned) and the
 * `payment` or the `value`. Nothing is thrown for a code: VP_PENDING and VP_ERR_OUTCOME_UNKNOWN are answers to work with.
 * Where a code below 0 is nothing to go on with, `or_throw()` gives the value or throws vpmeter::Exception.
 *
 * Callbacks. They may throw. The library sees a harmless answer then (on_tick: stop waiting, a list: enough, a clock: the
 * steady time since its last answer), the call ends at its next tick, and what was thrown comes out of the member function
 * after the C function has returned. What is recorded is recorded: ask known_payment how the payment stands. What may be
 * called from a callback is in vpmeter.h; a list inside a callback is fine.
 *
 * Memory. Opening makes one allocation, copies the std::functions, and hands the strings over as they are; no secret is
 * copied here, and wiping what is in the Config is its owner's. A receipt allocates an array of its lines for the call, a
 * list its vector. Nothing else allocates but what std::string and std::function do.
 *
 * Strings are UTF-8. An empty one counts as not given (NULL). One with a NUL inside is refused by the library as not UTF-8.
 *
 * Without exceptions (-fno-exceptions, or VPMETER_NO_EXCEPTIONS defined): results only, and callbacks must not throw.
 * Both kinds of source files may be linked into one program. RTTI is not needed.
 */

#ifndef VPMETER_HPP
#define VPMETER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <chrono>
#include <mutex>
#include <thread>

#include <vpmeter.h>

#if !defined(VPMETER_NO_EXCEPTIONS) && !defined(__cpp_exceptions) && !defined(__EXCEPTIONS) && !defined(_CPPUNWIND)
#define VPMETER_NO_EXCEPTIONS
#endif

#ifndef VPMETER_NO_EXCEPTIONS
#include <exception>
#include <stdexcept>
#endif

namespace vpmeter {

/* The two kinds have names of their own, so that a program may hold both. */
#ifdef VPMETER_NO_EXCEPTIONS
inline namespace results_only {
#else
inline namespace with_exceptions {
#endif

/* ---- What comes back ---- */

/* A vp_payment that is set up. */
struct Payment : vp_payment {
    Payment() noexcept : vp_payment VP_PAYMENT_INIT {}

    /* 1: the reference has a record; false: all is empty. */
    bool has_record() const noexcept { return reference[0] != '\0'; }
};

/* A vp_event that is set up. */
struct Event : vp_event {
    Event() noexcept : vp_event VP_EVENT_INIT {}
};

/* A vp_storage that is set up. */
struct Storage : vp_storage {
    Storage() noexcept : vp_storage VP_STORAGE_INIT {}
};

/* A vp_webhook_event that is set up. */
struct WebhookEvent : vp_webhook_event {
    WebhookEvent() noexcept : vp_webhook_event VP_WEBHOOK_EVENT_INIT {}
};

/* A vp_webhook_counts that is set up. */
struct WebhookCounts : vp_webhook_counts {
    WebhookCounts() noexcept : vp_webhook_counts VP_WEBHOOK_COUNTS_INIT {}
};

/* A vp_error that is set up. */
struct Error : vp_error {
    Error() noexcept : vp_error VP_ERROR_INIT {}

    /* "VP_ERR_INVALID_ARGUMENT: amount: ..."; English, for the log. */
    std::string text() const {
        std::string all = vp_status_name(code);
        for (const char *part : {field, message})
            if (*part != '\0') all.append(": ").append(part);
        return all;
    }
};

/* What a code asks of the caller; the table is in vpmeter.h. */
enum class Group {
    ok, pending, callers_mistake, configuration, try_again, outcome_unknown, refused, storage, internal, no_webhook
};

/* Also of a code of a later version; below the table it is outcome_unknown, which promises nothing. */
inline Group group_of(std::int32_t code) noexcept {
    return code > VP_OK    ? Group::pending
           : code >= 0     ? Group::ok
           : code >= -19   ? Group::callers_mistake
           : code >= -39   ? Group::configuration
           : code >= -59   ? Group::try_again
           : code >= -69   ? Group::outcome_unknown
           : code >= -89   ? Group::refused
           : code >= -99   ? Group::storage
           : code >= -109  ? Group::internal
           : code >= -119  ? Group::no_webhook
                           : Group::outcome_unknown;
}

#ifndef VPMETER_NO_EXCEPTIONS
/* Thrown by or_throw() and by the constructor of Client, for a code below 0. For the group outcome_unknown too: then it may
 * have happened, and the library settles it. */
class Exception : public std::runtime_error {
public:
    explicit Exception(const Error &error, const Payment &payment = Payment())
        : std::runtime_error(error.text()), error_(error), payment_(payment) {}

    std::int32_t code() const noexcept { return error_.code; }
    Group group() const noexcept { return group_of(error_.code); }
    const Error &error() const noexcept { return error_; }
    /* Where the payment stands; empty if the call was about none. */
    const Payment &payment() const noexcept { return payment_; }

private:
    Error error_;
    Payment payment_;
};
#endif

/* A call that gives nothing but its code. */
struct Status {
    Error error{};

    std::int32_t code() const noexcept { return error.code; }
    Group group() const noexcept { return group_of(error.code); }
    bool ok() const noexcept { return error.code == VP_OK; }
    bool pending() const noexcept { return error.code == VP_PENDING; }
#ifndef VPMETER_NO_EXCEPTIONS
    void or_throw() const {
        if (error.code < VP_OK) throw Exception(error);
    }
#endif
};

/* A call about one payment. `payment` is filled whenever there is a record, whatever the code. */
struct Outcome : Status {
    Payment payment{};
#ifndef VPMETER_NO_EXCEPTIONS
    const Payment &or_throw() const & {
        if (error.code < VP_OK) throw Exception(error, payment);
        return payment;
    }
    Payment or_throw() && { return static_cast<const Outcome &>(*this).or_throw(); }
#endif
};

/* A call that gives a value; `value` is what it was made as if the code is below 0. */
template <class T> struct Result : Status {
    T value{};
#ifndef VPMETER_NO_EXCEPTIONS
    const T &or_throw() const & {
        Status::or_throw();
        return value;
    }
    T or_throw() && {
        Status::or_throw();
        return std::move(value);
    }
#endif
};

/* ---- What goes in ---- */

/* A line of a receipt: every member of vp_order_line, and the strings. */
struct OrderLine : vp_order_line {
    std::string id{}, name{};

    OrderLine() : vp_order_line VP_ORDER_LINE_INIT {}
    /* With the VAT taken out of `gross` by vp_split_gross; a rate out of range is refused with the receipt. */
    OrderLine(std::string line_id, std::string line_name, std::int64_t gross, std::int32_t rate) : OrderLine() {
        id = std::move(line_id);
        name = std::move(line_name);
        total = gross;
        vat_rate = rate;
        vp_split_gross(gross, rate, &total_excluding_vat, &vat, nullptr);
    }
};

/* A receipt: every member of vp_receipt, the lines as a vector. */
struct Receipt : vp_receipt {
    std::vector<OrderLine> lines{};
    std::string pos_id{}, receipt_number{}, currency{};

    Receipt() : vp_receipt VP_RECEIPT_INIT {}
    bool empty() const noexcept {
        return lines.empty() && line_count == 0 && tip == 0 && pos_id.empty() && receipt_number.empty();
    }
};

/* A payment request: every member of vp_push_payment. An empty receipt is none. */
struct PushPayment : vp_push_payment {
    std::string currency{}, reference{}, trip{}, phone{}, description{};
    Receipt receipt{};

    PushPayment() : vp_push_payment VP_PUSH_PAYMENT_INIT {}
};

/* A ride: every member of vp_ride. */
struct Ride : vp_ride {
    PushPayment payment{};

    Ride() : vp_ride VP_RIDE_INIT {}
    explicit Ride(PushPayment request) : Ride() { payment = std::move(request); }
};

/* What a list is narrowed to: every member of vp_filter. */
struct Filter : vp_filter {
    std::string trip{};

    Filter() noexcept : vp_filter VP_FILTER_INIT {}
};

/* The callbacks. Whatever they use must live as long as the client. */
struct Callbacks {
    /* Every change of a payment. */
    std::function<void(const Payment &payment)> on_payment{};
    /* At least once a second while a call waits; returns VP_TICK_. `reference` is empty in a call on many payments. */
    std::function<std::int32_t(const char *reference, std::uint32_t waited_ms)> on_tick{};
    /* A line for the log. */
    std::function<void(std::int32_t level, const char *line)> on_log{};
    /* The clock of the host: all three or none. */
    std::function<std::int64_t()> wall_ms{}, monotonic_ms{};
    std::function<void(std::uint32_t ms)> sleep_ms{};
};

/*
 * The settings: every member of vp_config, its strings as std::string, and the callbacks. A string that is not listed here is
 * set as in C: `config.member = text`, where text lives until the client is open.
 *
 * Hooks in C go beside these: `config.hooks`, a vp_hooks with a `user` of its own. Where both give a callback, the
 * std::function counts.
 */
struct Config : vp_config, Callbacks {
    std::string base_url{}, client_id{}, client_secret{}, subscription_key{}, msn{}, market{}, device{}, journal_dir{},
        ca_file{}, system_name{}, system_version{}, plugin_name{}, plugin_version{}, gateway_header_name{},
        gateway_header_value{}, client_cert_file{}, client_key_file{}, source_address{}, interface_name{}, addresses{},
        proxy_url{}, proxy_user{}, proxy_password{};

    Config() : vp_config VP_CONFIG_INIT {}
};

/* A payment that is handed over to another meter. */
struct Exported {
    std::string reference{}, record{};
};

/* A request that may be a webhook, as it came; see vp_webhook. An empty host: what the header Host says. */
struct Webhook {
    std::string method{}, target{}, host{}, body{}, secret{};
    std::vector<std::pair<std::string, std::string>> headers{};
    std::int64_t now_ms = 0;
    std::uint32_t fresh_ms = 0;
};

/* A new registration; the secret is shown this once. */
struct NewRegistration {
    std::string id{}, secret{};
};

/* A registration; the names of its events with spaces between. */
struct Registration {
    std::string id{}, url{}, events{};
};

/* An amount in two parts. */
struct Split {
    std::int64_t excluding = 0, vat = 0;
};

using PaymentFn = std::function<void(const Payment &payment)>;
/* Return true to go on, false to end the list. */
using ListFn = std::function<bool(const Payment &payment)>;
using EventFn = std::function<bool(const Event &event)>;
using RecordFn = std::function<void(const char *reference, const char *record)>;
using RegistrationFn = std::function<bool(const char *id, const char *url, const char *events)>;

/* Which capture or refund is meant, as VP_NTH. */
constexpr std::uint32_t nth(std::uint32_t n) noexcept { return n << 16; }

class Client;

/* ---- The machinery; not for use from outside ---- */

namespace detail {

/* For the library, which wants NULL for what is not given. What C would cut at a NUL is made into something that no text can
 * be, so that the library refuses it and names it. */
inline const char *text(const std::string &given, const char *otherwise) noexcept {
    return given.empty() ? otherwise : given.find('\0') == std::string::npos ? given.c_str() : "\xFF";
}

/* A struct of the library as this program was compiled: one of an older library is shorter, one of a newer longer. */
template <class T, class C> T copied(const C *given) noexcept {
    static_assert(sizeof(T) == sizeof(C), "only the members of C");
    T copy;
    C *plain = &copy;
    std::memcpy(plain, given, given->struct_size < sizeof(C) ? given->struct_size : sizeof(C));
    plain->struct_size = sizeof(C);
    return copy;
}

inline std::int64_t steady_ms() noexcept {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

/* What a client's callbacks need; the `user` of its hooks. */
struct State {
    vp_client *handle = nullptr;
    State *next = nullptr;
    vp_hooks c_hooks VP_HOOKS_INIT;
    Callbacks functions{};
    std::mutex drifts{};
    std::int64_t wall_drift = 0, monotonic_drift = 0;

    State() = default;
    State(const State &) = delete;
    State &operator=(const State &) = delete;
};

/*
 * A call of a C function on this thread. It keeps what a callback throws, and the clients that a callback has let go: those
 * can only be closed when the thread is outside of the library again.
 */
class Call {
public:
    Call() noexcept : outer_(innermost()) { innermost() = this; }
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;
    ~Call() { leave(); }

    static Call *&innermost() noexcept {
        static thread_local Call *call = nullptr;
        return call;
    }

    /* The C function has returned: what was thrown goes on from here. */
    void finish() {
        leave();
#ifndef VPMETER_NO_EXCEPTIONS
        if (thrown_) std::rethrow_exception(std::move(thrown_));
#endif
    }

    /* Runs a callback. False if it has thrown; without a call of this header around it, what it has thrown is dropped. */
    template <class F> static bool guarded(F &&callback) noexcept {
#ifndef VPMETER_NO_EXCEPTIONS
        try {
            callback();
        } catch (...) {
            Call *call = innermost();
            if (call != nullptr && !call->thrown_) call->thrown_ = std::current_exception();
            return false;
        }
#else
        callback();
#endif
        return true;
    }

    static bool has_thrown() noexcept {
#ifndef VPMETER_NO_EXCEPTIONS
        return innermost() != nullptr && innermost()->thrown_;
#else
        return false;
#endif
    }

    /* Closes a client whatever it takes. */
    static void let_go(State *state) noexcept {
        if (Call *call = innermost()) {
            while (call->outer_ != nullptr) call = call->outer_;
            state->next = call->let_go_;
            call->let_go_ = state;
            return;
        }
        std::int32_t code;
        while ((code = vp_client_close(state->handle)) == VP_ERR_BUSY) {
            vp_interrupt(state->handle, nullptr);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        /* Inside a callback of a C call that this header knows nothing of: it stays open, and so does what it uses. */
        if (code != VP_ERR_REENTRANT) delete state;
    }

private:
    void leave() noexcept {
        if (innermost() != this) return;
        innermost() = outer_;
        while (State *state = let_go_) {
            let_go_ = state->next;
            let_go(state);
        }
    }

    Call *outer_;
    State *let_go_ = nullptr;
#ifndef VPMETER_NO_EXCEPTIONS
    std::exception_ptr thrown_{};
#endif
};

/* A hook in C gets the `user` that came with it. */
template <class F> struct Forward;
template <class R, class... A> struct Forward<R (*)(void *, A...)> {
    using Hook = R (*)(void *, A...);
    template <Hook vp_hooks::*member> static R call(void *user, A... arguments) noexcept {
        const vp_hooks &given = static_cast<State *>(user)->c_hooks;
        return (given.*member)(given.user, arguments...);
    }
    template <Hook vp_hooks::*member> static void hook(vp_hooks &hooks, const vp_hooks &given) noexcept {
        if (given.*member != nullptr) hooks.*member = &Forward::call<member>;
    }
};

inline void on_payment(void *user, const vp_payment *payment) noexcept {
    Call::guarded([=] { static_cast<State *>(user)->functions.on_payment(copied<Payment>(payment)); });
}

inline std::int32_t on_tick(void *user, const char *reference, std::uint32_t waited_ms) noexcept {
    const State &state = *static_cast<State *>(user);
    std::int32_t answer = VP_TICK_GO_ON;
    if (Call::has_thrown()) return VP_TICK_STOP_WAITING;
    const bool returned = Call::guarded([&] {
        if (state.functions.on_tick)
            answer = state.functions.on_tick(reference, waited_ms);
        else if (state.c_hooks.on_tick != nullptr)
            answer = state.c_hooks.on_tick(state.c_hooks.user, reference, waited_ms);
    });
    return returned ? answer : VP_TICK_STOP_WAITING;
}

inline void on_log(void *user, std::int32_t level, const char *line) noexcept {
    Call::guarded([=] { static_cast<State *>(user)->functions.on_log(level, line); });
}

/* A clock that throws goes on from its last answer; one that never gave any says 1970, which the library does not believe. */
inline std::int64_t clock(State &state, const std::function<std::int64_t()> &ask, std::int64_t &drift) noexcept {
    std::int64_t now = 0;
    const bool told = Call::guarded([&] { now = ask(); });
    const std::lock_guard<std::mutex> lock(state.drifts);
    if (told) drift = now - steady_ms();
    return told ? now : steady_ms() + drift;
}

inline std::int64_t wall_ms(void *user) noexcept {
    State &state = *static_cast<State *>(user);
    return clock(state, state.functions.wall_ms, state.wall_drift);
}

inline std::int64_t monotonic_ms(void *user) noexcept {
    State &state = *static_cast<State *>(user);
    return clock(state, state.functions.monotonic_ms, state.monotonic_drift);
}

inline void sleep_ms(void *user, std::uint32_t ms) noexcept {
    if (!Call::guarded([=] { static_cast<State *>(user)->functions.sleep_ms(ms); }))
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

/* The hooks for the library: those of C with their own `user`, and the std::functions. */
inline vp_hooks hooks_of(State &state) noexcept {
    vp_hooks hooks VP_HOOKS_INIT;
    const vp_hooks &given = state.c_hooks;
    const Callbacks &functions = state.functions;
    hooks.user = &state;
#define VPMETER_FORWARD(member) Forward<decltype(vp_hooks::member)>::template hook<&vp_hooks::member>(hooks, given)
    VPMETER_FORWARD(on_payment);
    VPMETER_FORWARD(on_log);
    VPMETER_FORWARD(wall_ms);
    VPMETER_FORWARD(monotonic_ms);
    VPMETER_FORWARD(sleep_ms);
    VPMETER_FORWARD(store_put);
    VPMETER_FORWARD(store_get);
    VPMETER_FORWARD(store_remove);
    VPMETER_FORWARD(store_each);
    VPMETER_FORWARD(transport);
    VPMETER_FORWARD(token);
#undef VPMETER_FORWARD
    hooks.on_tick = on_tick;
    if (functions.on_payment) hooks.on_payment = on_payment;
    if (functions.on_log) hooks.on_log = on_log;
    if (functions.wall_ms) hooks.wall_ms = wall_ms;
    if (functions.monotonic_ms) hooks.monotonic_ms = monotonic_ms;
    if (functions.sleep_ms) hooks.sleep_ms = sleep_ms;
    return hooks;
}

/* A string beside the member of C that it stands for, which it takes the place of unless it is empty. */
#define VPMETER_INTO(to, member) to.member = text(from.member, to.member)

/* The settings as C has them; they point into `from`. */
inline vp_config config_of(const Config &from) noexcept {
    vp_config c = from;
    VPMETER_INTO(c, base_url), VPMETER_INTO(c, client_id), VPMETER_INTO(c, client_secret), VPMETER_INTO(c, subscription_key);
    VPMETER_INTO(c, msn), VPMETER_INTO(c, market), VPMETER_INTO(c, device), VPMETER_INTO(c, journal_dir);
    VPMETER_INTO(c, ca_file), VPMETER_INTO(c, system_name), VPMETER_INTO(c, system_version), VPMETER_INTO(c, plugin_name);
    VPMETER_INTO(c, plugin_version), VPMETER_INTO(c, gateway_header_name), VPMETER_INTO(c, gateway_header_value);
    VPMETER_INTO(c, client_cert_file), VPMETER_INTO(c, client_key_file), VPMETER_INTO(c, source_address);
    VPMETER_INTO(c, interface_name), VPMETER_INTO(c, addresses), VPMETER_INTO(c, proxy_url), VPMETER_INTO(c, proxy_user);
    VPMETER_INTO(c, proxy_password);
    return c;
}

/* A receipt and a payment request as C has them; they point into what they are made of. */
struct CReceipt {
    vp_receipt c;
    std::vector<vp_order_line> lines{};

    explicit CReceipt(const Receipt &from) : c(from) {
        VPMETER_INTO(c, pos_id), VPMETER_INTO(c, receipt_number), VPMETER_INTO(c, currency);
        if (from.lines.empty()) return;
        lines.reserve(from.lines.size());
        for (const OrderLine &line : from.lines) {
            lines.push_back(line);
            lines.back().id = text(line.id, lines.back().id);
            lines.back().name = text(line.name, lines.back().name);
        }
        c.lines = lines.data();
        c.line_count = static_cast<std::uint32_t>(lines.size());
    }
    CReceipt(const CReceipt &) = delete;
    CReceipt &operator=(const CReceipt &) = delete;
};

struct CPushPayment {
    vp_push_payment c;
    CReceipt receipt;

    explicit CPushPayment(const PushPayment &from) : c(from), receipt(from.receipt) {
        VPMETER_INTO(c, currency), VPMETER_INTO(c, reference), VPMETER_INTO(c, trip);
        VPMETER_INTO(c, phone), VPMETER_INTO(c, description);
        if (!from.receipt.empty()) c.receipt = &receipt.c;
    }
    CPushPayment(const CPushPayment &) = delete;
    CPushPayment &operator=(const CPushPayment &) = delete;
};

inline vp_filter filter_of(const Filter &from) noexcept {
    vp_filter c = from;
    VPMETER_INTO(c, trip);
    return c;
}

#undef VPMETER_INTO

/* What lists call; `user` is the std::function. After one has thrown, or said that it has enough, no more. */
template <class Fn, class T, class C> std::int32_t each(void *user, const C *item) noexcept {
    bool go_on = false;
    return Call::guarded([&] { go_on = (*static_cast<const Fn *>(user))(copied<T>(item)); }) && go_on ? 0 : 1;
}
inline vp_event_fn fn_of(const EventFn &fn) noexcept { return fn ? &each<EventFn, Event, vp_event> : nullptr; }
inline vp_list_fn fn_of(const ListFn &fn) noexcept { return fn ? &each<ListFn, Payment, vp_payment> : nullptr; }

inline void each_settled(void *user, const vp_payment *payment) noexcept {
    if (!Call::has_thrown()) Call::guarded([=] { (*static_cast<const PaymentFn *>(user))(copied<Payment>(payment)); });
}

inline void each_record(void *user, const char *reference, const char *record) noexcept {
    if (!Call::has_thrown()) Call::guarded([=] { (*static_cast<const RecordFn *>(user))(reference, record); });
}

inline std::int32_t each_registration(void *user, const char *id, const char *url, const char *events) noexcept {
    bool go_on = false;
    return Call::guarded([&] { go_on = (*static_cast<const RegistrationFn *>(user))(id, url, events); }) && go_on ? 0 : 1;
}

/* std::function keeps what it calls unchanged; C has no const there. */
template <class Fn> void *user_of(const Fn &fn) noexcept { return const_cast<Fn *>(&fn); }

/* A C function that fills a buffer; 128 bytes are enough for each that there is. */
template <class F> Result<std::string> filled(F &&function) {
    Result<std::string> out;
    char buffer[128] = "";
    std::uint32_t needed = 0;
    function(buffer, static_cast<std::uint32_t>(sizeof buffer), &needed, &out.error);
    out.value = buffer;
    return out;
}

} // namespace detail

/* ---- The client ---- */

/*
 * An open client, or none: what was made without settings, was closed or was moved from; its calls give
 * VP_ERR_NULL_POINTER. Threads may share it as in C, while it is neither moved nor destroyed. The destructor closes it; it
 * interrupts calls that still run on other threads and waits for them. In a callback it waits until the call is over.
 */
class Client {
public:
    Client() noexcept = default;
#ifndef VPMETER_NO_EXCEPTIONS
    explicit Client(const Config &config) : Client(open(config).or_throw()) {}
#endif
    Client(Client &&other) noexcept : state_(other.state_) { other.state_ = nullptr; }
    Client &operator=(Client &&other) noexcept {
        if (this != &other) {
            Client old(std::move(*this));
            std::swap(state_, other.state_);
        }
        return *this;
    }
    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;
    ~Client() {
        if (state_ != nullptr) detail::Call::let_go(state_);
    }

    static Result<Client> open(const Config &config) {
        Result<Client> out;
        const vp_hooks *given = config.hooks;
        if (given != nullptr && given->struct_size != sizeof(vp_hooks)) {
            out.error.code = VP_ERR_STRUCT_SIZE;
            std::strcpy(out.error.field, "hooks");
            std::strcpy(out.error.message, "was not set up with VP_HOOKS_INIT of this header");
            return out;
        }
        Client client;
        client.state_ = new detail::State;
        client.state_->functions = config;
        if (given != nullptr) client.state_->c_hooks = *given;
        const vp_hooks hooks = detail::hooks_of(*client.state_);
        vp_config c = detail::config_of(config);
        c.hooks = &hooks;
        detail::Call call;
        if (vp_client_open(&c, &client.state_->handle, &out.error) == VP_OK) out.value = std::move(client);
        call.finish();
        return out;
    }

    /* VP_ERR_BUSY while a call runs on another thread, VP_ERR_REENTRANT in a callback: it stays open. Closing what is not
     * open is VP_OK. */
    std::int32_t close() {
        if (state_ == nullptr) return VP_OK;
        detail::Call call;
        const std::int32_t code = vp_client_close(state_->handle);
        if (code != VP_ERR_BUSY && code != VP_ERR_REENTRANT) {
            delete state_;
            state_ = nullptr;
        }
        call.finish();
        return code;
    }

    explicit operator bool() const noexcept { return state_ != nullptr; }

    /* For C functions that are not here. A callback that throws meanwhile is not heard. */
    vp_client *handle() const noexcept { return state_ != nullptr ? state_->handle : nullptr; }

    void interrupt() noexcept { vp_interrupt(handle(), nullptr); }
    void interrupt(const char *reference) noexcept { vp_interrupt(handle(), reference); }
    void interrupt(const std::string &reference) noexcept { interrupt(reference.c_str()); }

    Status worker_run(std::uint32_t wait_ms) {
        return plain([&](vp_error *error) { vp_worker_run(handle(), wait_ms, error); });
    }

    /* New keys; an empty one where the client has none. */
    Status set_credentials(const std::string &client_id, const std::string &client_secret,
                           const std::string &subscription_key) {
        return plain([&](vp_error *error) {
            vp_set_credentials(handle(), detail::text(client_id, nullptr), detail::text(client_secret, nullptr),
                               detail::text(subscription_key, nullptr), error);
        });
    }

    /* The ride. */

    Outcome create_push_payment(const PushPayment &request, std::uint32_t wait_ms) {
        const detail::CPushPayment c(request);
        return about([&](vp_payment *payment, vp_error *error) {
            vp_create_push_payment(handle(), &c.c, wait_ms, payment, error);
        });
    }
    Outcome poll(const std::string &reference, std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_poll(handle(), detail::text(reference, ""), wait_ms, payment, error);
        });
    }
    Outcome post_receipt(const std::string &reference, const Receipt &receipt, std::uint32_t wait_ms) {
        const detail::CReceipt c(receipt);
        return about([&](vp_payment *payment, vp_error *error) {
            vp_post_receipt(handle(), detail::text(reference, ""), &c.c, wait_ms, payment, error);
        });
    }
    /* `flags`: VP_CAPTURE_FINAL, and nth(2), nth(3), ... */
    Outcome capture(const std::string &reference, std::int64_t amount, std::uint32_t flags, std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_capture(handle(), detail::text(reference, ""), amount, flags, wait_ms, payment, error);
        });
    }
    Outcome run_ride(const Ride &ride, std::uint32_t wait_ms) { return run(ride, ride.payment, wait_ms); }
    Outcome run_ride(const PushPayment &request, std::uint32_t wait_ms) { return run(Ride(), request, wait_ms); }

    /* Around the ride. */

    Outcome cancel(const std::string &reference, std::int32_t how, std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_cancel(handle(), detail::text(reference, ""), how, wait_ms, payment, error);
        });
    }
    Outcome refund(const std::string &reference, std::int64_t amount, std::uint32_t flags, std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_refund(handle(), detail::text(reference, ""), amount, flags, wait_ms, payment, error);
        });
    }
    Outcome known_payment(const std::string &reference) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_known_payment(handle(), detail::text(reference, ""), payment, error);
        });
    }
    Status get_events(const std::string &reference, std::uint32_t wait_ms, const EventFn &each) {
        return plain([&](vp_error *error) {
            vp_get_events(handle(), detail::text(reference, ""), detail::fn_of(each), detail::user_of(each), wait_ms, error);
        });
    }
    Result<std::vector<Event>> get_events(const std::string &reference, std::uint32_t wait_ms) {
        return listed<Event>([&](std::vector<Event> &list) {
            return get_events(reference, wait_ms, [&](const Event &event) { return list.push_back(event), true; });
        });
    }
    Status settle(std::uint32_t wait_ms, const PaymentFn &each) {
        return plain([&](vp_error *error) {
            vp_settle(handle(), wait_ms, each ? detail::each_settled : nullptr, detail::user_of(each), error);
        });
    }
    Result<std::vector<Payment>> settle(std::uint32_t wait_ms) {
        return listed<Payment>([&](std::vector<Payment> &list) {
            return settle(wait_ms, [&](const Payment &payment) { list.push_back(payment); });
        });
    }
    Status list_payments(const Filter &filter, const ListFn &each) {
        const vp_filter c = detail::filter_of(filter);
        return plain([&](vp_error *error) {
            vp_list_payments(handle(), &c, detail::fn_of(each), detail::user_of(each), error);
        });
    }
    Result<std::vector<Payment>> list_payments(const Filter &filter = Filter()) {
        return listed<Payment>([&](std::vector<Payment> &list) {
            return list_payments(filter, [&](const Payment &payment) { return list.push_back(payment), true; });
        });
    }

    /* Webhooks. */

    Outcome apply_webhook(const std::string &reference, const std::string &name, const std::string &msn,
                          std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_apply_webhook(handle(), detail::text(reference, ""), detail::text(name, nullptr), detail::text(msn, nullptr),
                             wait_ms, payment, error);
        });
    }
    Result<WebhookCounts> webhook_count() {
        Result<WebhookCounts> out;
        detail::Call call;
        vp_webhook_count(handle(), &out.value, &out.error);
        call.finish();
        return out;
    }
    /* No events: all of them. */
    Result<NewRegistration> register_webhook(const std::string &url, const std::string &events, std::uint32_t wait_ms) {
        Result<NewRegistration> out;
        char id[VP_WEBHOOK_ID_SIZE] = "", secret[VP_WEBHOOK_SECRET_SIZE] = "";
        detail::Call call;
        vp_register_webhook(handle(), detail::text(url, ""), detail::text(events, nullptr), wait_ms, id,
                            static_cast<std::uint32_t>(sizeof id), secret, static_cast<std::uint32_t>(sizeof secret),
                            &out.error);
        call.finish();
        out.value.id = id;
        out.value.secret = secret;
        return out;
    }
    Status list_webhooks(std::uint32_t wait_ms, const RegistrationFn &each) {
        return plain([&](vp_error *error) {
            vp_list_webhooks(handle(), each ? detail::each_registration : nullptr, detail::user_of(each), wait_ms, error);
        });
    }
    Result<std::vector<Registration>> list_webhooks(std::uint32_t wait_ms) {
        return listed<Registration>([&](std::vector<Registration> &list) {
            return list_webhooks(wait_ms, [&](const char *id, const char *url, const char *events) {
                list.emplace_back();
                list.back().id = id;
                list.back().url = url;
                list.back().events = events;
                return true;
            });
        });
    }
    Status delete_webhook(const std::string &id, std::uint32_t wait_ms) {
        return plain([&](vp_error *error) { vp_delete_webhook(handle(), detail::text(id, ""), wait_ms, error); });
    }

    /* The office. */

    Outcome decide(const std::string &reference, std::int32_t decision, std::uint32_t wait_ms) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_decide(handle(), detail::text(reference, ""), decision, wait_ms, payment, error);
        });
    }
    Outcome write_off(const std::string &reference, const std::string &reason) {
        return about([&](vp_payment *payment, vp_error *error) {
            vp_write_off(handle(), detail::text(reference, ""), detail::text(reason, ""), payment, error);
        });
    }
    /* What `each` has thrown away is exported again by the next call. */
    Status export_payments(const RecordFn &each) {
        return plain([&](vp_error *error) {
            vp_export_payments(handle(), each ? detail::each_record : nullptr, detail::user_of(each), error);
        });
    }
    Result<std::vector<Exported>> export_payments() {
        return listed<Exported>([&](std::vector<Exported> &list) {
            return export_payments([&](const char *reference, const char *record) {
                list.emplace_back();
                list.back().reference = reference;
                list.back().record = record;
            });
        });
    }
    Status import_payment(const std::string &record) {
        return plain([&](vp_error *error) { vp_import_payment(handle(), detail::text(record, ""), error); });
    }
    Result<Storage> storage_cost() {
        Result<Storage> out;
        detail::Call call;
        vp_storage_cost(handle(), &out.value, &out.error);
        call.finish();
        return out;
    }

private:
    template <class F> static Outcome about(F &&function) {
        Outcome out;
        detail::Call call;
        function(&out.payment, &out.error);
        call.finish();
        return out;
    }
    template <class F> static Status plain(F &&function) {
        Status out;
        detail::Call call;
        function(&out.error);
        call.finish();
        return out;
    }
    template <class T, class F> static Result<std::vector<T>> listed(F &&function) {
        Result<std::vector<T>> out;
        out.error = function(out.value).error;
        return out;
    }
    Outcome run(const vp_ride &ride, const PushPayment &request, std::uint32_t wait_ms) {
        const detail::CPushPayment payment(request);
        vp_ride c = ride;
        c.payment = &payment.c;
        return about([&](vp_payment *out, vp_error *error) { vp_run_ride(handle(), &c, wait_ms, out, error); });
    }

    detail::State *state_ = nullptr;
};

/* ---- Text and numbers, without a client ---- */

inline Result<std::string> normalize_phone(const std::string &typed, const std::string &market) {
    return detail::filled([&](char *out, std::uint32_t size, std::uint32_t *needed, vp_error *error) {
        vp_normalize_phone(detail::text(typed, ""), detail::text(market, ""), out, size, needed, error);
    });
}

inline Result<std::string> next_reference(const std::string &previous) {
    return detail::filled([&](char *out, std::uint32_t size, std::uint32_t *needed, vp_error *error) {
        vp_next_reference(detail::text(previous, ""), out, size, needed, error);
    });
}

inline Result<std::string> driver_text(const Payment &payment, const std::string &language) {
    return detail::filled([&](char *out, std::uint32_t size, std::uint32_t *needed, vp_error *error) {
        vp_driver_text(&payment, detail::text(language, ""), out, size, needed, error);
    });
}

/* Whether a request is a webhook, and what it says. */
inline Result<WebhookEvent> verify_webhook(const Webhook &webhook) {
    Result<WebhookEvent> out;
    std::vector<const char *> headers;
    for (const auto &header : webhook.headers) {
        headers.push_back(detail::text(header.first, ""));
        headers.push_back(detail::text(header.second, ""));
    }
    headers.push_back(nullptr);
    vp_webhook c = VP_WEBHOOK_INIT;
    c.method = detail::text(webhook.method, "");
    c.target = detail::text(webhook.target, "");
    c.host = detail::text(webhook.host, nullptr);
    c.headers = headers.data();
    c.body = webhook.body.data();
    c.body_size = static_cast<std::uint32_t>(std::min<std::size_t>(webhook.body.size(), UINT32_MAX));
    c.secret = detail::text(webhook.secret, "");
    c.now_ms = webhook.now_ms;
    c.fresh_ms = webhook.fresh_ms;
    vp_webhook_verify(&c, &out.value, &out.error);
    return out;
}

inline Result<Split> split_gross(std::int64_t gross, std::int32_t vat_rate) {
    Result<Split> out;
    vp_split_gross(gross, vat_rate, &out.value.excluding, &out.value.vat, &out.error);
    return out;
}

inline const char *status_name(std::int32_t code) noexcept { return vp_status_name(code); }
inline const char *version() noexcept { return vp_version(); }
inline std::uint32_t version_number() noexcept { return vp_version_number(); }
inline const char *build_id() noexcept { return vp_build_id(); }

} // inline namespace
} // namespace vpmeter

#endif /* VPMETER_HPP */
