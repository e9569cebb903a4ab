fn main() -> std::io::Result<()> {
    let protos = ["tasks", "telemetry", "fileupload"].map(|name| format!("../../../proto/{name}.proto"));
    tonic_prost_build::configure().build_client(false).compile_protos(&protos, &["../../../proto".to_string()])
}
