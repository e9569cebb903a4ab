//! Tasks, telemetry and uploads on tonic, as articles about such services print them: everything in memory, one lock
//! around a map, a spawned task and a channel of 32 for each stream.
//!
//! usage: articles HOST:PORT   prints "listening on HOST:PORT" when it is ready

use std::error::Error;

use tonic::transport::{server::TcpIncoming, Server};

mod tasks;
mod telemetry;
mod upload;

/// Messages that a stream holds for a slow client.
const CHANNEL: usize = 32;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: articles HOST:PORT")?;
    let incoming = TcpIncoming::bind(address.parse()?)?.with_nodelay(Some(true));
    println!("listening on {}", incoming.local_addr()?);
    Server::builder()
        .add_service(tasks::service())
        .add_service(telemetry::service())
        .add_service(upload::service())
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
