/* mw.host: figures of this machine and process, as the kernel reports them. The kernel generates /proc in memory:
 * reading it does not block. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/base/bind.h"

/* The least time between two samples. Closer samples would differ by a few ticks of the kernel's clock, which is mostly
 * noise. */
enum { SAMPLE_INTERVAL_MS = 100 };

struct cpu_times {
  uint64_t busy, total; /* in ticks since the machine's start */
};

struct sampler {
  struct cpu_times last;
  int64_t taken; /* mw_clock_real() of `last` */
  double percent;
};

/* proc(5): user, nice, system, idle, iowait, irq, softirq, steal. */
static bool read_cpu(struct cpu_times *times) {
  FILE *file = fopen("/proc/stat", "re");
  if (!file) return false;
  uint64_t t[8] = {0};
  int n = 0;
  if (fscanf(file, "cpu") == 0) {
    while (n < 8 && fscanf(file, "%" SCNu64, &t[n]) == 1) n++;
  }
  fclose(file);
  if (n < 4) return false;
  *times = (struct cpu_times){0, 0};
  for (int i = 0; i < 8; i++) times->total += t[i];
  times->busy = times->total - t[3] - t[4];
  return true;
}

/* mw.host.cpu_usage(): load of all processors since the last sample, in percent. Upvalue 2: the sampler. */
static int l_cpu_usage(lua_State *L) {
  struct sampler *sampler = lua_touserdata(L, lua_upvalueindex(2));
  struct cpu_times now;
  int64_t time = mw_clock_real();
  if (time - sampler->taken >= (int64_t)SAMPLE_INTERVAL_MS * MW_NS_PER_MS) {
    if (!read_cpu(&now)) return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "/proc/stat cannot be read");
    uint64_t total = now.total - sampler->last.total, busy = now.busy - sampler->last.busy;
    if (now.total > sampler->last.total && busy <= total) sampler->percent = 100.0 * (double)busy / (double)total;
    sampler->last = now;
    sampler->taken = time;
  }
  lua_pushnumber(L, sampler->percent);
  return 1;
}

static bool read_memory(uint64_t *total_kb, uint64_t *available_kb) {
  FILE *file = fopen("/proc/meminfo", "re");
  if (!file) return false;
  char line[128];
  *total_kb = *available_kb = 0;
  while (fgets(line, sizeof line, file)) {
    sscanf(line, "MemTotal: %" SCNu64, total_kb);
    if (sscanf(line, "MemAvailable: %" SCNu64, available_kb) == 1) break;
  }
  fclose(file);
  return *total_kb > 0;
}

static void set_bytes(lua_State *L, const char *name, uint64_t bytes) {
  lua_pushinteger(L, (lua_Integer)bytes);
  lua_setfield(L, -2, name);
}

/* mw.host.memory(): memory of the machine, in bytes */
static int l_memory(lua_State *L) {
  uint64_t total, available;
  if (!read_memory(&total, &available)) return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "/proc/meminfo cannot be read");
  lua_createtable(L, 0, 3);
  set_bytes(L, "total", total * 1024);
  set_bytes(L, "available", available * 1024);
  set_bytes(L, "used", (total - available) * 1024);
  return 1;
}

/* mw.host.process(): figures of this process; resident memory in bytes */
static int l_process(lua_State *L) {
  size_t rss;
  uv_rusage_t usage;
  if (uv_resident_set_memory(&rss) != 0 || uv_getrusage(&usage) != 0) {
    return mw_bind_fail(L, MW_CODE_UNAVAILABLE, "the kernel does not tell about this process");
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  set_bytes(L, "memory", rss);
  lua_pushnumber(L, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
  lua_setfield(L, -2, "cpu_seconds");
  return 1;
}

/* mw.host.requests(): number of calls that all workers of this process have completed */
static int l_requests(lua_State *L) {
  double total = 0;
  mw_metrics_total(mw_bind_program(L)->host->metrics, "moonwire_calls_total", &total, NULL);
  lua_pushinteger(L, (lua_Integer)total);
  return 1;
}

static void add_cpu_usage(lua_State *L, struct mw_program *program) {
  mw_program_push(L, program);
  struct sampler *sampler = lua_newuserdatauv(L, sizeof *sampler, 0);
  *sampler = (struct sampler){.taken = mw_clock_real()};
  read_cpu(&sampler->last);
  lua_pushcclosure(L, l_cpu_usage, 2);
  lua_setfield(L, -2, "cpu_usage");
}

void mw_bind_open_host(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {
      {"memory", l_memory}, {"process", l_process}, {"requests", l_requests}, {NULL, NULL}};
  char name[UV_MAXHOSTNAMESIZE] = "localhost";
  size_t size = sizeof name;
  uv_os_gethostname(name, &size);
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  add_cpu_usage(L, program);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "name");
  lua_pushinteger(L, uv_available_parallelism());
  lua_setfield(L, -2, "cpus");
  lua_setfield(L, -2, "host");
}
