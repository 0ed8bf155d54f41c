//! A running simulator and a client of few lines.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use vp_simulator::cli::{self, Command};
use vp_simulator::{Settings, Simulator};

pub const PHONE: &str = "4791234567";

pub struct Bench {
    pub simulator: Simulator,
    pub token: String,
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// Status and number of the domain error.
    pub fn code(&self) -> (u16, u64) {
        let body = self.json();
        let detail = &body["extraDetails"][0];
        assert_eq!(detail["name"], "ErrorCode", "{body}");
        assert_eq!(body["status"], self.status, "{body}");
        assert!(self.header("content-type").is_some_and(|v| v == "application/problem+json"));
        let code = detail["reason"].as_str().expect("the code is a string").parse().expect("a number");
        (self.status, code)
    }

    /// The names of the fields that a validation error speaks of.
    pub fn invalid(&self) -> Vec<String> {
        assert_eq!(self.status, 400, "{}", self.text());
        let body = self.json();
        let list = if body["extraDetails"].is_array() { &body["extraDetails"] } else { &body["invalidParams"] };
        let names = list.as_array().unwrap_or_else(|| panic!("no list in {body}")).iter();
        names.map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

pub struct Call<'a> {
    address: &'a str,
    method: &'a str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string().as_bytes())
    }

    pub fn raw(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Bytes on the wire, head and body.
    pub fn length(&self) -> usize {
        self.bytes().len()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            out += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        out += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        [out.as_bytes(), &self.body].concat()
    }

    /// Sends the request and gives the socket, for tests of what happens on it.
    pub fn open(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        // The server may refuse before it has read all.
        let _ = stream.write_all(&self.bytes());
        stream
    }

    pub fn try_send(&self) -> Result<Reply> {
        read_reply(&mut self.open())
    }

    pub fn send(&self) -> Reply {
        self.try_send().unwrap_or_else(|e| panic!("{} {}: {e}", self.method, self.path))
    }
}

/// An answer that ends before its announced length is an error, as for any real client.
pub fn read_reply(stream: &mut impl Read) -> Result<Reply> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let cut = all.windows(4).position(|w| w == b"\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&all[..cut]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let reply = Reply { status, head, body: all[cut + 4..].to_vec() };
    let length = reply.header("content-length").and_then(|v| v.parse::<usize>().ok());
    if length.is_some_and(|length| length != reply.body.len()) {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the body is cut short"));
    }
    Ok(reply)
}

impl Bench {
    /// A simulator whose passenger does nothing by itself and whose clock stands still.
    pub fn new() -> Bench {
        Bench::with(&[])
    }

    pub fn with(arguments: &[&str]) -> Bench {
        let fixed = ["--port", "0", "--passenger", "manual", "--check-answers", "crash"];
        let options = match cli::parse(fixed.iter().chain(arguments).copied()) {
            Ok(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        };
        let settings: Settings = options.settings;
        let mut bench = Bench { simulator: Simulator::start(settings).expect("starts"), token: String::new() };
        bench.sim("POST", "clock", json!({"freeze": true}));
        bench.token = bench.fetch_token();
        bench
    }

    /// With TLS; only who it is and where is of interest.
    pub fn secure(arguments: &[&str]) -> Simulator {
        match cli::parse(["--port", "0", "--tls"].iter().chain(arguments).copied()) {
            Ok(Command::Run(options)) => Simulator::start(options.settings).expect("starts"),
            other => panic!("{other:?}"),
        }
    }

    pub fn at<'a>(url: &'a str, method: &'a str, path: &str) -> Call<'a> {
        let address = url.split_once("//").expect("a URL").1;
        Call { address, method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn bare<'a>(&'a self, method: &'a str, path: &str) -> Call<'a> {
        Bench::at(&self.simulator.url, method, path)
    }

    /// With everything that the servers want to see, but the idempotency key.
    pub fn call<'a>(&'a self, method: &'a str, path: &str) -> Call<'a> {
        self.bare(method, path)
            .header("Authorization", &format!("Bearer {}", self.token))
            .header("Ocp-Apim-Subscription-Key", "sim-subscription-key")
            .header("Merchant-Serial-Number", "123456")
            .header("Content-Type", "application/json")
            .header("Vipps-System-Name", "bench")
    }

    pub fn token_call(&self) -> Call<'_> {
        self.bare("POST", "/accesstoken/get")
            .header("client_id", "sim-client-id")
            .header("client_secret", "sim-client-secret")
            .header("Ocp-Apim-Subscription-Key", "sim-subscription-key")
    }

    pub fn fetch_token(&self) -> String {
        self.token_call().send().json()["access_token"].as_str().expect("a token").to_owned()
    }

    pub fn try_sim(&self, method: &str, path: &str, body: &Value) -> Reply {
        let call = Bench::at(&self.simulator.control_url, method, &format!("/_sim/{path}"));
        if body.is_null() { call.send() } else { call.json(body).send() }
    }

    pub fn sim(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.try_sim(method, path, &body);
        assert_eq!(reply.status, 200, "{method} {path} {body}: {}", reply.text());
        reply.json()
    }

    pub fn advance(&self, ms: i64) {
        self.sim("POST", "clock", json!({"advance_ms": ms}));
    }

    pub fn switch(&self, name: &str, value: &str) {
        self.sim("POST", "switches", json!({name: value}));
    }

    pub fn fault(&self, rule: Value) {
        self.sim("POST", "faults", rule);
    }

    pub fn ledger(&self, reference: &str) -> Value {
        self.sim("GET", &format!("ledger/{reference}"), Value::Null)
    }

    pub fn create<'a>(&'a self, reference: &str) -> Call<'a> {
        self.create_with(&push(reference))
    }

    /// The key follows from the reference, as a client's should.
    pub fn create_with<'a>(&'a self, body: &Value) -> Call<'a> {
        let key = format!("create-{}", body["reference"].as_str().unwrap_or_default());
        self.call("POST", "/epayment/v1/payments").key(&key).json(body)
    }

    pub fn on<'a>(&'a self, method: &'a str, reference: &str, tail: &str) -> Call<'a> {
        self.call(method, &format!("/epayment/v1/payments/{reference}{tail}"))
    }

    pub fn get(&self, reference: &str) -> Reply {
        self.on("GET", reference, "").send()
    }

    pub fn state(&self, reference: &str) -> String {
        self.get(reference).json()["state"].as_str().expect("a state").to_owned()
    }

    pub fn capture<'a>(&'a self, reference: &str, amount: i64, key: &str) -> Call<'a> {
        self.on("POST", reference, "/capture").key(key).json(&modification(amount))
    }

    pub fn refund<'a>(&'a self, reference: &str, amount: i64, key: &str) -> Call<'a> {
        self.on("POST", reference, "/refund").key(key).json(&modification(amount))
    }

    pub fn cancel<'a>(&'a self, reference: &str, only: bool) -> Call<'a> {
        self.on("POST", reference, "/cancel").json(&json!({"cancelTransactionOnly": only}))
    }

    pub fn approve(&self, reference: &str) {
        self.sim("POST", &format!("payments/{reference}/approve"), Value::Null);
    }

    /// A payment of 245.00 that has been approved.
    pub fn approved(&self, reference: &str) {
        assert_eq!(self.create(reference).send().status, 201);
        self.approve(reference);
    }
}

pub fn push(reference: &str) -> Value {
    json!({
        "amount": {"value": 24500, "currency": "NOK"},
        "paymentMethod": {"type": "WALLET"},
        "customer": {"phoneNumber": PHONE},
        "customerInteraction": "CUSTOMER_PRESENT",
        "reference": reference,
        "userFlow": "PUSH_MESSAGE",
        "paymentDescription": "Taxi ride",
    })
}

pub fn modification(amount: i64) -> Value {
    json!({"modificationAmount": {"value": amount, "currency": "NOK"}})
}

pub fn receipt(total: i64, excluding: i64) -> Value {
    json!({
        "orderLines": [{
            "name": "Taxi ride", "id": "1", "totalAmount": total, "totalAmountExcludingTax": excluding,
            "totalTaxAmount": total - excluding, "taxRate": 1200,
            "unitInfo": {"unitPrice": total, "quantity": "12.4", "quantityUnit": "KM"},
        }],
        "bottomLine": {"currency": "NOK", "posId": "taxi_122", "receiptNumber": "0527013501"},
    })
}

/// `authorized`, `captured`, `cancelled`, `refunded` of an answer's aggregate.
pub fn totals(body: &Value) -> [i64; 4] {
    ["authorizedAmount", "capturedAmount", "cancelledAmount", "refundedAmount"]
        .map(|name| body["aggregate"][name]["value"].as_i64().unwrap_or_else(|| panic!("{name} in {body}")))
}
