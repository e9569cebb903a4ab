#include "engine/http/limits/flood.h"

#include <nghttp2/nghttp2.h>

enum {
  PADDING_MAX = 256, /* with the Pad Length field */
  SETTINGS_WEIGHT = 10,
  RESET_COST = 10, /* tenths */
  CANCEL_COST = 1,
  ANSWER_GAIN = RESET_COST,
  FRAME_GAIN = 10,
  REFILL_MS = 10000,       /* time to refill an empty bucket */
  BLOCK_SPARE = 64 * 1024, /* bytes by which a compressed block may exceed the accepted header list */
  BLOCK_FRAMES = 8,        /* frames that any block may have, */
  BLOCK_FRAME = 4 * 1024,  /* plus one for each 4 KiB of its length */
};

void mw_http_flood_init(struct mw_http_flood *flood, uint32_t resets, uint32_t control, size_t metadata, uint64_t now) {
  uint32_t tenths = resets < UINT32_MAX / RESET_COST ? resets * RESET_COST : UINT32_MAX;
  *flood = (struct mw_http_flood){.resets = {.limit = tenths, .left = tenths, .refilled = now},
                                  .control = {.limit = control, .left = control, .refilled = now},
                                  .block_limit = metadata + BLOCK_SPARE,
                                  .now = now};
}

/* Refills the bucket. */
static void refill(struct mw_http_bucket *bucket, uint64_t now, uint32_t useful, uint32_t gain) {
  uint64_t ms = now - bucket->refilled;
  uint64_t back = (ms < REFILL_MS ? ms : REFILL_MS) * bucket->limit / REFILL_MS;
  back += (uint64_t)(uint32_t)(useful - bucket->useful) * gain + bucket->left;
  bucket->left = back < bucket->limit ? (uint32_t)back : bucket->limit;
  bucket->refilled = now;
  bucket->useful = useful;
}

/* Takes `cost` tokens, after a refill if needed. Returns false if there are too few. */
static bool take(struct mw_http_bucket *bucket, uint32_t cost, uint64_t now, uint32_t useful, uint32_t gain) {
  if (bucket->left < cost) refill(bucket, now, useful, gain);
  if (bucket->left < cost) return false;
  bucket->left -= cost;
  return true;
}

static enum mw_http_limit take_control(struct mw_http_flood *flood, uint32_t cost) {
  bool fine = take(&flood->control, cost, flood->now, flood->frames, FRAME_GAIN);
  return fine ? MW_HTTP_LIMIT_NONE : MW_HTTP_LIMIT_CONTROL;
}

enum mw_http_limit mw_http_flood_count_reset(struct mw_http_flood *flood, bool begun) {
  bool fine = take(&flood->resets, begun ? CANCEL_COST : RESET_COST, flood->now, flood->answered, ANSWER_GAIN);
  return fine ? MW_HTTP_LIMIT_NONE : MW_HTTP_LIMIT_RESETS;
}

static enum mw_http_limit continue_block(struct mw_http_flood *flood, uint8_t flags, size_t len) {
  flood->block += len;
  flood->block_frames++;
  flood->in_block = !(flags & NGHTTP2_FLAG_END_HEADERS);
  bool long_one = flood->block > flood->block_limit;
  bool many = flood->block_frames > BLOCK_FRAMES + flood->block / BLOCK_FRAME;
  return long_one || many ? MW_HTTP_LIMIT_BLOCK : MW_HTTP_LIMIT_NONE;
}

/* Returns false for DATA that may be all padding, unless it ends the stream. */
static bool is_data(uint8_t flags, size_t len) {
  return len > (flags & NGHTTP2_FLAG_PADDED ? PADDING_MAX : 0) || (flags & NGHTTP2_FLAG_END_STREAM);
}

enum mw_http_limit mw_http_flood_count(struct mw_http_flood *flood, uint8_t type, uint8_t flags, size_t len) {
  switch (type) {
    case NGHTTP2_DATA: return is_data(flags, len) ? MW_HTTP_LIMIT_NONE : take_control(flood, 1);
    case NGHTTP2_HEADERS:
      flood->block = flood->block_frames = 0;
      flood->blocks++;
      flood->frames++;
      return continue_block(flood, flags, len);
    case NGHTTP2_CONTINUATION: return continue_block(flood, flags, len);
    case NGHTTP2_RST_STREAM: return MW_HTTP_LIMIT_NONE; /* the session counts it: the cost depends on the call */
    case NGHTTP2_SETTINGS: return take_control(flood, SETTINGS_WEIGHT);
    default: return take_control(flood, 1);
  }
}

enum mw_http_limit mw_http_flood_count_trailers(struct mw_http_flood *flood) {
  flood->frames--;
  return take_control(flood, 1);
}
