/* SPDX-License-Identifier: BSD-3-Clause */
/* Begins saves and takes. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/saving.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

static int fill_source(const struct vm *vm, struct vm_save *s, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	int rc = 0;

	s->source = (struct save_source){
		.domid = vm_domid(vm),
		.type = c->type,
		.vcpus = vm_config_vcpus(c),
		.pages = vm_pages(vm),
		.ring_pages = vm_has_noxs(vm) ? devices_rings(c) + c->spare_rings : 0,
		.dev_frame = vm_dev_frame(vm),
		.control_frame = vm_control_frame(vm),
		.limits = c->limits,
		.linux_guest = !vm_has_noxs(vm),
		.frames = vm_dom(vm)->frames,
		.budget = &engine_streams(vm_engine(vm))->memory};
	s->frame[0] = vm_dev_frame(vm);
	s->frame[1] = vm_control_frame(vm);
	if (!s->bare)
		rc = save_note_disks(vm, s, e);
	if (s->take)
		return rc;
	s->source.left = &s->left;
	return rc < 0 ? rc : vm_describe(vm, &s->owner, &s->owner_bytes, e);
}

/* Opens the file, which belongs to `s` afterwards; for saves and takes. */
static int begin_save(struct vm *vm, struct vm_save *s, struct err *e)
{
	int rc = fill_source(vm, s, e);

	if (rc == 0)
		rc = life_event(vm, LIFE_SAVE, &(struct life_news){.e = e, .save = s});
	if (rc < 0)
		save_free(s);
	return rc;
}

int vm_take(struct vm *vm, stream_id id, enum vm_take_how how, vm_take_fn *fn, void *arg,
	    struct err *e)
{
	struct vm_save *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	*s = (struct vm_save){.job = save_job(),
			      .en = vm_engine(vm),
			      .vm = vm,
			      .id = id,
			      .file = {.fd = -1, .cancel = -1},
			      .flags = VM_SAVE_KEEP,
			      .take = fn,
			      .bare = how == TAKE_BARE,
			      .arg = arg,
			      .start_ns = clock_ns()};
	if (how == TAKE_DISKS)
		s->disks = calloc(1, sizeof(*s->disks));
	if (how == TAKE_DISKS && !s->disks) {
		free(s);
		return err_set(e, ENOMEM, "out of memory");
	}
	return begin_save(vm, s, e); /* NOLINT(clang-analyzer-unix.Malloc): it belongs to the VM */
}

static int begin(struct vm *vm, int fd, uint32_t flags, vm_save_fn *fn, vm_round_fn *on_round,
		 void *arg, stream_id *id, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct vm_save *s = NULL;
	struct transfer file;
	int rc = transfer_open(&file, fd, true, e);

	if (rc < 0)
		return rc;
	rc = streams_take(en, id, e);
	if (rc == 0) {
		s = calloc(1, sizeof(*s));
		if (!s)
			rc = err_set(e, ENOMEM, "out of memory");
	}
	if (!s) {
		stream_close(en, &file);
		if (rc == -ENOMEM)
			streams_give(en);
		return rc;
	}
	*s = (struct vm_save){.job = save_job(),
			      .en = en,
			      .vm = vm,
			      .id = *id,
			      .file = file,
			      .flags = flags,
			      .fn = fn,
			      .on_round = on_round,
			      .arg = arg,
			      .start_ns = clock_ns()};
	return begin_save(vm, s, e);
}

int vm_save(struct vm *vm, int fd, uint32_t flags, vm_save_fn *fn, void *arg, stream_id *id,
	    struct err *e)
{
	return begin(vm, fd, flags, fn, NULL, arg, id, e);
}

int vm_save_live(struct vm *vm, int fd, vm_save_fn *fn, vm_round_fn *on_round, void *arg,
		 stream_id *id, struct err *e)
{
	return begin(vm, fd, 0, fn, on_round, arg, id, e);
}

void saves_close(struct engine *en)
{
	saves_close_parted(en);
	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm))
		if (vm_life(vm)->save)
			(void)vm_save_end(en, vm_life(vm)->save->id, false, NULL);
}
