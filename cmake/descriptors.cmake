# What the schema layer needs from the protobuf compilers at build time:
#  - descriptor.proto as C structs, for reading descriptor sets (protoc-c);
#  - the well-known types as one serialised FileDescriptorSet in a C array (protoc); its descriptor.proto is the
#    project's own, whose text is another array.
find_program(PROTOC protoc REQUIRED)       # Debian: protobuf-compiler
find_program(PROTOC_C protoc-c REQUIRED)   # Debian: protobuf-c-compiler
find_path(PROTOBUF_PROTO_DIR google/protobuf/descriptor.proto REQUIRED) # Debian: libprotobuf-dev

set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})

set(descriptor_proto ${PROTOBUF_PROTO_DIR}/google/protobuf/descriptor.proto)
set(descriptor_c ${generated}/google/protobuf/descriptor.pb-c.c ${generated}/google/protobuf/descriptor.pb-c.h)
add_custom_command(
  OUTPUT ${descriptor_c}
  COMMAND ${PROTOC_C} -I ${PROTOBUF_PROTO_DIR} --c_out=${generated} ${descriptor_proto}
  DEPENDS ${descriptor_proto}
  VERBATIM)

set(wellknown_dir ${CMAKE_SOURCE_DIR}/src/schema/wellknown)
set(wellknown_protos)
foreach(name any api duration empty field_mask source_context struct timestamp type wrappers)
  list(APPEND wellknown_protos ${PROTOBUF_PROTO_DIR}/google/protobuf/${name}.proto)
endforeach()
foreach(name google/protobuf/descriptor google/rpc/code google/rpc/error_details google/rpc/status grpc/health/v1/health
        grpc/reflection/v1/reflection grpc/reflection/v1alpha/reflection)
  list(APPEND wellknown_protos ${wellknown_dir}/${name}.proto)
endforeach()
add_custom_command(
  OUTPUT ${generated}/wellknown_set.c
  COMMAND ${PROTOC} -I ${wellknown_dir} -I ${PROTOBUF_PROTO_DIR} --include_imports
          --descriptor_set_out=${generated}/wellknown.binpb ${wellknown_protos}
  COMMAND ${CMAKE_COMMAND} -D INPUT=${generated}/wellknown.binpb -D OUTPUT=${generated}/wellknown_set.c
          -D NAME=mw_wellknown_set -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${wellknown_protos} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  VERBATIM)

set(descriptor_text ${wellknown_dir}/google/protobuf/descriptor.proto)
add_custom_command(
  OUTPUT ${generated}/descriptor_text.c
  COMMAND ${CMAKE_COMMAND} -D INPUT=${descriptor_text} -D OUTPUT=${generated}/descriptor_text.c
          -D NAME=mw_descriptor_text -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${descriptor_text} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  VERBATIM)

add_library(mw_schema_generated STATIC ${descriptor_c} ${generated}/wellknown_set.c ${generated}/descriptor_text.c)
target_compile_options(mw_schema_generated PRIVATE -w) # not our code
target_include_directories(mw_schema_generated SYSTEM PUBLIC ${generated})
target_link_libraries(mw_schema_generated PUBLIC PkgConfig::PROTOBUF_C)
target_link_libraries(mw_schema PRIVATE mw_schema_generated)
