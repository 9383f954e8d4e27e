//! A client that says exactly what it is told to, and hears exactly what comes: HTTP/1.1 on a socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A test fails when it waits longer than this for a byte.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request, byte for byte.
#[derive(Debug, Clone)]
pub struct Call {
    method: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let mut head = format!("{method} ").into_bytes();
        head.extend(target.as_ref());
        head.extend(b" HTTP/1.1\r\nHost: test\r\n");
        Self {
            method: method.to_owned(),
            head,
            body: Vec::new(),
        }
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend(name.as_bytes());
        self.head.extend(b": ");
        self.head.extend(value.as_ref());
        self.head.extend(b"\r\n");
        self
    }

    /// A body of announced length.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let len = self.body.len().to_string();
        self.header("Content-Length", len)
    }

    /// The bytes up to the empty line.
    pub fn head(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n"].concat()
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], b"\r\n", &self.body].concat()
    }

    /// Says it on a connection of its own.
    ///
    /// # Errors
    /// When the connection breaks before the answer is whole.
    pub fn try_send(&self, address: SocketAddr) -> io::Result<Answer> {
        Wire::connect(address)?.exchange(self)
    }

    /// Says it on a connection of its own.
    pub fn send(&self, address: SocketAddr) -> Answer {
        self.try_send(address).expect("an answer comes")
    }
}

/// An answer; header names are as they came.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the header with exactly this name, in this case of letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(n, _)| n == name);
        let found = all.next().map(|(_, value)| value.as_str());
        assert!(all.next().is_none(), "two headers {name}: {self:?}");
        found
    }

    /// The body as a JSON document.
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} ({})", self.status))
    }

    /// Status and the envelope's code.
    pub fn verdict(&self) -> (u16, u64) {
        let code = self.json()["code"].as_u64();
        (self.status, code.expect("the envelope has a code"))
    }
}

/// A connection, over plain TCP unless it says otherwise.
pub struct Wire<S = TcpStream>(BufReader<S>);

impl Wire {
    /// Opens a connection.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> Wire<S> {
    /// A connection over a stream.
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the other side does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Says something and reads the answer.
    ///
    /// # Errors
    /// When the connection breaks before the answer is whole.
    pub fn exchange(&mut self, call: &Call) -> io::Result<Answer> {
        self.write(&call.bytes())?;
        self.answer(&call.method)
    }

    /// Reads one answer to a request with this method.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when it breaks off.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|s| s.get(..3));
        let status = status.and_then(|s| s.parse().ok());
        let mut answer = Answer {
            status: status.ok_or_else(|| io::Error::other(format!("`{first}`")))?,
            headers: self.headers()?,
            body: Vec::new(),
        };
        if method != "HEAD" && answer.status >= 200 && ![204, 304].contains(&answer.status) {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    /// Whatever comes until the other side closes.
    ///
    /// # Errors
    /// When the connection is reset, or the other side does not close.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn headers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None if line.is_empty() => return Ok(headers),
                None => return Err(io::Error::other(format!("header line `{line}`"))),
            }
        }
    }

    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if answer.header("Transfer-Encoding") == Some("chunked") {
            return self.chunks();
        }
        match answer.header("Content-Length") {
            Some(len) => self.exactly(len.parse().map_err(io::Error::other)?),
            None => self.rest(),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let len = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            body.extend(self.exactly(len)?);
            self.line()?;
            if len == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
