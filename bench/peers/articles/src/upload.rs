//! fileupload.FileUploadService, which keeps the file in memory and forgets it.

use tonic::{Request, Response, Status, Streaming};

use pb::file_upload_service_server::{FileUploadService, FileUploadServiceServer};
use pb::{FileChunk, UploadResponse};

mod pb {
    tonic::include_proto!("fileupload");
}

struct Service;

pub fn service() -> FileUploadServiceServer<impl FileUploadService> {
    FileUploadServiceServer::new(Service)
}

#[tonic::async_trait]
impl FileUploadService for Service {
    async fn upload(&self, request: Request<Streaming<FileChunk>>) -> Result<Response<UploadResponse>, Status> {
        let mut chunks = request.into_inner();
        let (mut filename, mut content, mut total_chunks) = (String::new(), Vec::new(), 0);
        while let Some(chunk) = chunks.message().await? {
            if filename.is_empty() {
                filename = chunk.filename;
            }
            content.extend_from_slice(&chunk.data);
            total_chunks += 1;
            if chunk.is_last {
                break;
            }
        }
        let message = format!("{filename} has arrived");
        let total_bytes = content.len() as u64;
        Ok(Response::new(UploadResponse { filename, total_bytes, total_chunks, success: true, message }))
    }
}
