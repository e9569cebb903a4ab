//! race.Race on tonic.
//!
//! usage: server HOST:PORT   prints "listening on HOST:PORT" when it is ready

use std::error::Error;

use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{transport::server::TcpIncoming, transport::Server, Request, Response, Status, Streaming};

use pb::race_server::{Race, RaceServer};
use pb::{Chunk, Document, HelloReply, HelloRequest, Item, ListRequest, UploadReply};

mod pb {
    tonic::include_proto!("race");
}

/// Items that a slow subscriber may be behind.
const BEHIND: usize = 64;

struct Service {
    published: broadcast::Sender<Item>,
}

type Items = std::pin::Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

#[tonic::async_trait]
impl Race for Service {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let name = &request.get_ref().name;
        Ok(Response::new(HelloReply { text: format!("Hello {name}!") }))
    }

    async fn echo(&self, request: Request<Document>) -> Result<Response<Document>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type ListStream = Items;

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<Items>, Status> {
        let ListRequest { count, text } = request.into_inner();
        let items = (1..=count).map(move |number| Ok(Item { number, text: text.clone() }));
        Ok(Response::new(Box::pin(tokio_stream::iter(items))))
    }

    async fn upload(&self, request: Request<Streaming<Chunk>>) -> Result<Response<UploadReply>, Status> {
        let mut chunks = request.into_inner();
        let mut bytes = 0;
        while let Some(chunk) = chunks.message().await? {
            bytes += chunk.data.len() as u64;
        }
        Ok(Response::new(UploadReply { bytes }))
    }

    type PingPongStream = Items;

    async fn ping_pong(&self, request: Request<Streaming<Item>>) -> Result<Response<Items>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }

    type SubscribeStream = Items;

    async fn subscribe(&self, _: Request<ListRequest>) -> Result<Response<Items>, Status> {
        let items = BroadcastStream::new(self.published.subscribe());
        Ok(Response::new(Box::pin(items.map(|item| item.map_err(|_| Status::data_loss("too far behind"))))))
    }

    async fn publish(&self, request: Request<Streaming<Item>>) -> Result<Response<UploadReply>, Status> {
        let mut items = request.into_inner();
        while let Some(item) = items.message().await? {
            let _ = self.published.send(item);
        }
        Ok(Response::new(UploadReply { bytes: 0 }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: server HOST:PORT")?;
    let incoming = TcpIncoming::bind(address.parse()?)?.with_nodelay(Some(true));
    println!("listening on {}", incoming.local_addr()?);
    Server::builder().add_service(RaceServer::new(Service { published: broadcast::Sender::new(BEHIND) })).serve_with_incoming(incoming).await?;
    Ok(())
}
