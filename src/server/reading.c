#include "server/reading.h"

#include "base/clock.h"
#include "server/look.h"

static void look_and_read(void *arg);

static void end(struct mw_reading *reading, int rc, struct mw_generation *generation, struct mw_err *err) {
  reading->done(reading->arg, rc, generation, err);
}

/* Reads later, as `path` is being written to, unless that has been so for too long. */
static void postpone(struct mw_reading *reading, const char *path, int64_t wait) {
  struct mw_err err = MW_ERR_INIT;
  int64_t limit = (int64_t)MW_READING_LIMIT_MS * MW_NS_PER_MS, left = reading->began + limit - mw_clock_mono();
  if (left <= 0) {
    mw_err_set(&err, MW_EBUSY,
               "%s: does not come to rest: written to, or open and still empty; it is read after its next change", path);
    end(reading, err.code, NULL, &err);
    return;
  }
  reading->timer = mw_timer_start(reading->loop, wait < left ? wait : left, look_and_read, reading);
  if (reading->timer) return;
  mw_err_set(&err, MW_ENOMEM, "out of memory");
  end(reading, err.code, NULL, &err);
}

/* Reads, and looks whether the files stayed as they are in `before`. */
static void read_between(struct mw_reading *reading, const struct mw_look *before) {
  struct mw_generation *generation = NULL;
  struct mw_err err = MW_ERR_INIT, look_err = MW_ERR_INIT;
  int rc = mw_generation_read(&generation, reading->dir, reading->number, reading->previous, reading->overrides,
                              &err);
  struct mw_look after;
  if (mw_look_take(&after, reading->dir, mw_clock_wall, &look_err) != 0) {
    mw_generation_unref(generation);
    mw_err_fini(&err);
    end(reading, look_err.code, NULL, &look_err);
    return;
  }
  const char *changed = mw_look_difference(before, &after);
  if (changed) {
    mw_generation_unref(generation);
    mw_err_fini(&err);
    postpone(reading, changed, (int64_t)MW_LOOK_FRESH_MS * MW_NS_PER_MS);
  } else {
    end(reading, rc, generation, &err);
  }
  mw_look_fini(&after);
}

static void look_and_read(void *arg) {
  struct mw_reading *reading = arg;
  struct mw_err err = MW_ERR_INIT;
  struct mw_look look;
  reading->timer = NULL;
  if (mw_look_take(&look, reading->dir, mw_clock_wall, &err) != 0) {
    end(reading, err.code, NULL, &err);
    return;
  }
  if (look.wait > 0) {
    postpone(reading, mw_buf_str(&look.busy), look.wait);
  } else {
    read_between(reading, &look);
  }
  mw_look_fini(&look);
}

void mw_reading_start(struct mw_reading *reading, struct mw_loop *loop, const char *dir, uint64_t number,
                      const struct mw_generation *previous, const struct mw_overrides *overrides,
                      mw_reading_done_fn done, void *arg) {
  *reading = (struct mw_reading){loop, dir, number, previous, overrides, done, arg, mw_clock_mono(), NULL};
  look_and_read(reading);
}

bool mw_reading_waits(const struct mw_reading *reading) { return reading->timer != NULL; }

void mw_reading_cancel(struct mw_reading *reading) {
  mw_timer_stop(reading->timer);
  reading->timer = NULL;
}
