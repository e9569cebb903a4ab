#include "engine/http/limits/flood.h"

#include <nghttp2/nghttp2.h>

enum {
  PADDING_MAX = 256, /* with the Pad Length field */
  SETTINGS_WEIGHT = 10,
  RESET_COST = 10, /* tenths */
  CANCEL_COST = 1,
  ANSWER_GAIN = RESET_COST,
  FRAME_GAIN = 10,
  REGAIN_MS = 10000,       /* time to refill an empty bucket */
  BLOCK_SPARE = 64 * 1024, /* bytes by which a compressed block may exceed the accepted header list */
  BLOCK_FRAMES = 8,        /* frames that any block may have, */
  BLOCK_FRAME = 4 * 1024,  /* plus one for each 4 KiB of its length */
};

void mw_http_flood_init(struct mw_http_flood *flood, uint32_t resets, uint32_t control, size_t metadata, uint64_t now) {
  uint32_t tenths = resets < UINT32_MAX / RESET_COST ? resets * RESET_COST : UINT32_MAX;
  *flood = (struct mw_http_flood){.resets = {.limit = tenths, .left = tenths, .since = now},
                                  .control = {.limit = control, .left = control, .since = now},
                                  .block_limit = metadata + BLOCK_SPARE,
                                  .now = now};
}

/* Refills the bucket. */
static void regain(struct mw_http_allowance *allowance, uint64_t now, uint32_t gained, uint32_t gain) {
  uint64_t ms = now - allowance->since;
  uint64_t back = (ms < REGAIN_MS ? ms : REGAIN_MS) * allowance->limit / REGAIN_MS;
  back += (uint64_t)(uint32_t)(gained - allowance->gained) * gain + allowance->left;
  allowance->left = back < allowance->limit ? (uint32_t)back : allowance->limit;
  allowance->since = now;
  allowance->gained = gained;
}

/* Takes `cost` tokens, after a refill if needed. Returns false if there are too few. */
static bool spend(struct mw_http_allowance *allowance, uint32_t cost, uint64_t now, uint32_t gained, uint32_t gain) {
  if (allowance->left < cost) regain(allowance, now, gained, gain);
  if (allowance->left < cost) return false;
  allowance->left -= cost;
  return true;
}

static enum mw_http_excess spend_control(struct mw_http_flood *flood, uint32_t cost) {
  bool fine = spend(&flood->control, cost, flood->now, flood->frames, FRAME_GAIN);
  return fine ? MW_HTTP_NO_EXCESS : MW_HTTP_EXCESS_CONTROL;
}

enum mw_http_excess mw_http_flood_count_reset(struct mw_http_flood *flood, bool begun) {
  bool fine = spend(&flood->resets, begun ? CANCEL_COST : RESET_COST, flood->now, flood->answered, ANSWER_GAIN);
  return fine ? MW_HTTP_NO_EXCESS : MW_HTTP_EXCESS_RESETS;
}

static enum mw_http_excess continue_block(struct mw_http_flood *flood, uint8_t flags, size_t len) {
  flood->block += len;
  flood->block_frames++;
  flood->in_block = !(flags & NGHTTP2_FLAG_END_HEADERS);
  bool long_one = flood->block > flood->block_limit;
  bool many = flood->block_frames > BLOCK_FRAMES + flood->block / BLOCK_FRAME;
  return long_one || many ? MW_HTTP_EXCESS_BLOCK : MW_HTTP_NO_EXCESS;
}

/* Returns false for DATA that may be all padding, unless it ends the stream. */
static bool is_data(uint8_t flags, size_t len) {
  return len > (flags & NGHTTP2_FLAG_PADDED ? PADDING_MAX : 0) || (flags & NGHTTP2_FLAG_END_STREAM);
}

enum mw_http_excess mw_http_flood_count(struct mw_http_flood *flood, uint8_t type, uint8_t flags, size_t len) {
  switch (type) {
    case NGHTTP2_DATA: return is_data(flags, len) ? MW_HTTP_NO_EXCESS : spend_control(flood, 1);
    case NGHTTP2_HEADERS:
      flood->block = flood->block_frames = 0;
      flood->blocks++;
      flood->frames++;
      return continue_block(flood, flags, len);
    case NGHTTP2_CONTINUATION: return continue_block(flood, flags, len);
    case NGHTTP2_RST_STREAM: return MW_HTTP_NO_EXCESS; /* the session counts it: the cost depends on the call */
    case NGHTTP2_SETTINGS: return spend_control(flood, SETTINGS_WEIGHT);
    default: return spend_control(flood, 1);
  }
}

enum mw_http_excess mw_http_flood_recount(struct mw_http_flood *flood) {
  flood->frames--;
  return spend_control(flood, 1);
}
