//! The load's HTTP client: one kept connection, one request at a time, nothing in between.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What went wrong with a request; the load only counts it.
#[derive(Debug)]
pub struct Broken;

/// An answer, read to its end.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// One connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects to `127.0.0.1:port`.
    pub async fn open(address: &str) -> Result<Connection, Broken> {
        let stream = TcpStream::connect(address).await.map_err(|_| Broken)?;
        stream.set_nodelay(true).map_err(|_| Broken)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Broken)?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let host = HeaderValue::from_str(address).map_err(|_| Broken)?;
        Ok(Connection { sender, host })
    }

    /// Whether the other side has hung up.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Reply, Broken> {
        request.headers_mut().insert(HOST, self.host.clone());
        self.sender.ready().await.map_err(|_| Broken)?;
        let answer = self.sender.send_request(request).await;
        let (head, body) = answer.map_err(|_| Broken)?.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    /// A GET.
    pub async fn get(&mut self, path: &str) -> Result<Reply, Broken> {
        let request = Request::get(path).body(Full::default());
        self.send(request.map_err(|_| Broken)?).await
    }

    /// Posts a form as a browser of the device `device` does.
    pub async fn form(&mut self, path: &str, device: &str, body: String) -> Result<Reply, Broken> {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, format!("jy_device={device}"))
            .body(Full::from(body));
        self.send(request.map_err(|_| Broken)?).await
    }

    /// Posts JSON with further headers.
    pub async fn json(
        &mut self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Reply, Broken> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().map_err(|_| Broken)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        for (name, value) in headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        self.send(request).await
    }
}
