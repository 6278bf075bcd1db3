/* SPDX-License-Identifier: BSD-3-Clause */
/* Before a build: waits for devices that other VMs have, opens the files, and finds or reads the
 * image. LIFE_PLACED follows. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

/* No event of the VM was sent yet. */
static void refuse(struct vm *vm, int rc, const struct err *e)
{
	vm_create_done(vm, rc, e);
	vm_unmake(vm, false); /* it may have a record, because of a rename */
}

/* -EAGAIN: waits for devices that are being removed. Any other error ends the create; for a VM that
 * is restarted, its build reports it. True: the create continues. */
static bool is_admitted(struct vm *vm, int rc, struct err *e)
{
	struct teardown_wait *l = &vm_life(vm)->teardown_wait;

	if (rc == -EAGAIN && teardown_wait_again(vm_engine(vm), l)) {
		files_drop(vm_files(vm));
		return false;
	}
	if (rc == -EAGAIN)
		rc = teardown_wait_over(e);
	if (rc == 0 || life_is_kept(vm))
		return true;
	teardown_wait_end(vm_engine(vm), l);
	refuse(vm, rc, e);
	return false;
}

/* Checks the open disks, which another VM or a device that is being removed may have. False: the
 * create has ended, or waits. */
static bool disks_are_free(struct vm *vm, int *rc, struct err *e)
{
	*rc = disks_admit(vm, *vm_files(vm), e);
	if (!is_admitted(vm, *rc, e))
		return false;
	*rc = devices_have_files(vm_cfg(vm)) ? reservations_take(vm, e)
					     : 0; /* now also by the identity of the files */
	return true;
}

static int list_files(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	const struct vm_config *c = vm_cfg(vm);
	bool image = !vm_life(vm)->restore; /* otherwise the image's contents are in the file of the
					       saved VM */
	bool kernel = image && c->kernel_fd < 0 && c->kernel;
	bool ramdisk = image && c->ramdisk_fd < 0 && c->ramdisk;
	bool disks = c->ndevice && devices_have_files(c);
	int rc = 0;

	if (*vm_files(vm))
		files_drop(vm_files(vm));
	if (!kernel && !ramdisk && !disks)
		return 0;
	*vm_files(vm) = files_new(engine_opener(en));
	if (!*vm_files(vm))
		return err_set(e, ENOMEM, "out of memory");
	if (kernel)
		rc = images_add(engine_images(en), *vm_files(vm), c->kernel, "kernel", e);
	if (rc == 0 && ramdisk)
		rc = images_add(engine_images(en), *vm_files(vm), c->ramdisk, "ramdisk", e);
	return rc == 0 && disks ? devices_add_files(c, *vm_files(vm), e) : rc;
}

static void placed(struct vm *vm, int rc, struct err *e)
{
	const struct life_news n = {.rc = rc, .e = e};

	(void)life_event(vm, LIFE_PLACED, &n);
}

static void image_read(void *arg, struct image *img, int rc, const struct err *e)
{
	struct err err = *e;
	struct vm *vm = arg;
	struct life *life = vm_life(vm);

	life_wait_for(vm, WAIT_OTHERS);
	life->img = img;
	life->t.image_ns = (uint32_t)(clock_ns() - life->create.start_ns);
	placed(vm, rc, &err);
}

static void files_are_open(void *arg, struct files *f);

/* Threads read the image, and then call image_read(). */
static int read_image(struct vm *vm, struct err *e)
{
	const struct vm_config *c = vm_cfg(vm);
	int rc = images_read(engine_images(vm_engine(vm)), c->kernel_fd,
			     c->kernel ? c->kernel : "kernel", image_read, vm, e);

	if (rc == 0)
		life_wait_for(vm, WAIT_IMAGE);
	return rc;
}

/* The resources of its devices are free. `open`: its files are open; otherwise they are opened now,
 * or by threads, and this is called again. */
static void place(struct vm *vm, bool open)
{
	struct life *life = vm_life(vm);
	struct vm_config *c = vm_change_cfg(vm);
	struct err err = {0};
	uint64_t since;
	int rc = open ? 0 : list_files(vm, &err);

	if (!open && rc == 0 && *vm_files(vm) && !files_open(*vm_files(vm), files_are_open, vm))
		return;
	if (rc == 0 && c->ndevice && !disks_are_free(vm, &rc, &err))
		return;
	teardown_wait_end(vm_engine(vm), &life->teardown_wait);
	since = clock_ns();
	memset(&life->t, 0, sizeof(life->t));
	life->t.why = "";
	if (rc == 0 && !life->restore)
		rc = files_take(*vm_files(vm), "kernel", c->kernel, &c->kernel_fd, &err);
	if (rc == 0 && !life->restore)
		rc = files_take(*vm_files(vm), "ramdisk", c->ramdisk, &c->ramdisk_fd, &err);
	if (rc == 0 && !life->restore)
		life->img = images_find(engine_images(vm_engine(vm)), c->kernel_fd);
	if (rc == 0 && !life->restore && !life->img)
		rc = read_image(vm, &err);
	life->t.image_ns = (uint32_t)(clock_ns() - since);
	if (life_wait(vm) != WAIT_IMAGE)
		placed(vm, rc, &err);
}

static void files_are_open(void *arg, struct files *f)
{
	struct vm *vm = arg;
	struct err err = {0};

	(void)f;
	if (life_is_over(vm)) /* it was destroyed meanwhile */
		placed(vm, 0, &err);
	else
		place(vm, true);
}

static void place_again(struct teardown_wait *l, bool last)
{
	struct life *life =
		(struct life *)(void *)((char *)l - offsetof(struct life, teardown_wait));
	struct vm *vm = vm_of_life(life);
	struct err err = {0};
	int rc = devices_admit(vm_engine(vm), vm, vm_cfg(vm), &err);

	(void)last; /* the time limit counts, not the number of tries */
	if (is_admitted(vm, rc, &err))
		place(vm, false);
}

void vm_place(struct vm *vm, bool wait)
{
	struct life *life = vm_life(vm);

	teardown_wait_init(&life->teardown_wait, place_again);
	if (wait)
		teardown_wait_begin(vm_engine(vm), &life->teardown_wait);
	else
		place(vm, false);
}

void vm_place_again(struct vm *vm)
{
	struct life *life = vm_life(vm);

	teardown_wait_init(&life->teardown_wait, place_again);
	place_again(&life->teardown_wait, false);
}
