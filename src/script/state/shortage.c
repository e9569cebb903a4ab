#include "script/state/shortage.h"

#include "base/clock.h"
#include "script/state/vm.h"

bool mw_shortage_has_room(const struct mw_vm *vm, size_t part) {
  size_t limit = vm->limits.memory;
  return limit == 0 || vm->memory.used <= limit - limit / part;
}

bool mw_shortage_is_near(const struct mw_vm *vm) { return !mw_shortage_has_room(vm, MW_SHORTAGE_PART); }

void mw_shortage_update(struct mw_vm *vm) {
  vm->shortage.on = mw_shortage_is_near(vm);
  if (vm->shortage.on) vm->shortage.full = mw_clock_real();
}
