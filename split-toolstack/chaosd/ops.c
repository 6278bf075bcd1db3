/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of operations, and those that answer at once. */
#include "split-toolstack/chaosd/ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/metrics.h"

/* Of a text that does not fit a frame. */
#define CHUNK 32768u

static int op_version(struct engine *en, struct request *r, struct err *e)
{
	struct xen_host host;
	struct wire_out w;
	int rc = xen_host_info(engine_xen(en), &host);

	if (rc < 0)
		return err_sys(e, -rc, "ask Xen about this host");
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_VERSION_TEXT, CHAOS_VERSION);
	wire_text(&w, PROTO_XEN, host.version);
	wire_text(&w, PROTO_STORE, store_mode_name(engine_store_mode(en)));
	reply_send(r->c, &w);
	return 0;
}

static int op_host(struct engine *en, struct request *r, struct err *e)
{
	struct engine_host h;
	struct wire_out w;
	int rc = engine_host(en, &h, e);

	if (rc < 0)
		return rc;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_VERSION_TEXT, CHAOS_VERSION);
	wire_text(&w, PROTO_XEN, h.xen.version);
	wire_text(&w, PROTO_STORE, store_mode_name(engine_store_mode(en)));
	wire_text(&w, PROTO_ROOM, engine_store_room(en));
	wire_u32(&w, PROTO_CPUS, h.xen.cpus);
	wire_u64(&w, PROTO_MEM_KIB, h.xen.total_pages * 4);
	wire_u64(&w, PROTO_FREE_KIB, h.xen.free_pages * 4);
	wire_u64(&w, PROTO_POOL_KIB, h.pool_kib);
	wire_u32(&w, PROTO_VMS, h.vms);
	wire_u32(&w, PROTO_SLOTS, h.slots);
	wire_u32(&w, PROTO_PVH, h.xen.hvm);
	wire_text(&w, PROTO_TAIL, h.tail_guard);
	reply_send(r->c, &w);
	return 0;
}

static int op_metrics(struct engine *en, struct request *r, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	metrics_print(en, &operations, r->c->of->n, f);
	if (fclose(f) != 0 || !text) {
		free(text);
		return err_set(e, ENOMEM, "out of memory");
	}
	for (size_t at = 0; at < len;) {
		struct wire_out w;
		size_t n = len - at < CHUNK ? len - at : CHUNK;

		reply_begin(r->c, &w, PROTO_ITEM, r->in.h.tag);
		wire_bytes(&w, PROTO_DATA, text + at, (uint32_t)n);
		reply_send(r->c, &w);
		at += n;
	}
	free(text);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}

/* --- info --- */

static void add_device(const struct device_info *d, void *arg)
{
	fields_device(arg, d);
}

static int op_info(struct engine *en, struct request *r, struct err *e)
{
	struct wire_out w;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	fields_vm(&w, vm);
	vm_for_each_device(vm, add_device, &w);
	reply_send(r->c, &w);
	return 0;
}

/* --- one VM, one step --- */

static void reply_name(const struct request *r, const char *name)
{
	struct wire_out w;

	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	wire_text(&w, PROTO_NAME, name);
	reply_send(r->c, &w);
}

static int simple(struct engine *en, struct request *r, struct err *e, const char *name,
		  int (*step)(struct vm *vm, struct err *e))
{
	char who[VM_NAME_MAX + 1];
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	(void)snprintf(who, sizeof(who), "%s", vm_name(vm));
	rc = step(vm, e); /* the vm may be gone afterwards */
	if (rc < 0)
		return err_wrap(e, rc, "%s", name);
	reply_name(r, who);
	log_line(LOG_INFO, "op=%s name=%s uid=%u pid=%d", name, who, r->c->uid, r->c->pid);
	return 0;
}

static int op_pause(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "pause", vm_pause);
}

static int op_unpause(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "unpause", vm_unpause);
}

static int ask_poweroff(struct vm *vm, struct err *e)
{
	return vm_shutdown(vm, false, e);
}

static int ask_reboot(struct vm *vm, struct err *e)
{
	return vm_shutdown(vm, true, e);
}

static int op_shutdown(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "shutdown", ask_poweroff);
}

static int op_reboot(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "reboot", ask_reboot);
}

static int op_destroy(struct engine *en, struct request *r, struct err *e)
{
	return simple(en, r, e, "destroy", vm_destroy);
}

static int force_rm(struct vm *vm, struct err *e)
{
	struct vm_info i;
	int rc = 0;

	vm_known_info(vm, &i);
	if (i.state != VM_ENDED)
		rc = vm_destroy(vm, e);
	return rc < 0 ? rc : vm_rm(vm, e);
}

static int op_rm(struct engine *en, struct request *r, struct err *e)
{
	bool force = wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_FORCE;

	return simple(en, r, e, "rm", force ? force_rm : vm_rm);
}

static int op_rename(struct engine *en, struct request *r, struct err *e)
{
	char name[VM_NAME_MAX + 1];
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	if (!wire_get_text(&r->in, PROTO_NAME, name, sizeof(name)))
		return err_set(e, EINVAL, "rename: a name of 1 to %d characters is needed",
			       VM_NAME_MAX);
	rc = vm_rename(vm, name, e);
	if (rc < 0)
		return err_wrap(e, rc, "rename");
	reply_name(r, name);
	return 0;
}

static const struct operation table[] = {
	{PROTO_REQ_VERSION, "version", op_version},
	{PROTO_REQ_CREATE, "create", op_create},
	{PROTO_REQ_LIST, "list", op_list},
	{PROTO_REQ_INFO, "info", op_info},
	{PROTO_REQ_PAUSE, "pause", op_pause},
	{PROTO_REQ_UNPAUSE, "unpause", op_unpause},
	{PROTO_REQ_RENAME, "rename", op_rename},
	{PROTO_REQ_SHUTDOWN, "shutdown", op_shutdown},
	{PROTO_REQ_REBOOT, "reboot", op_reboot},
	{PROTO_REQ_DESTROY, "destroy", op_destroy},
	{PROTO_REQ_RM, "rm", op_rm},
	{PROTO_REQ_WAIT, "wait", op_wait},
	{PROTO_REQ_CONSOLE, "console", op_console},
	{PROTO_REQ_POOL, "pool", op_pool},
	{PROTO_REQ_POOL_SET, "pool set", op_pool_set},
	{PROTO_REQ_EVENTS, "events", op_events},
	{PROTO_REQ_INPUT, "input", op_input},
	{PROTO_REQ_HOST, "host", op_host},
	{PROTO_REQ_METRICS, "metrics", op_metrics},
	{PROTO_REQ_IMAGES, "images", op_images},
	{PROTO_REQ_IMAGE_IMPORT, "image import", op_image_import},
	{PROTO_REQ_IMAGE_RM, "image rm", op_image_rm},
	{PROTO_REQ_DEVICE_ATTACH, "attach", op_attach},
	{PROTO_REQ_DEVICE_DETACH, "detach", op_detach},
	{PROTO_REQ_DEVICES, "devices", op_devices},
};

static int open_operations(struct engine *en, struct conns *all, struct err *e)
{
	int rc = subscriptions_open(en, all, e);

	if (rc < 0)
		return rc;
	streams_open(en);
	lists_open(all->loop);
	return 0;
}

static void close_operations(void)
{
	streams_close();
	subscriptions_close();
	lists_close();
}

const struct operations operations = {.item = table,
				      .n = sizeof(table) / sizeof(table[0]),
				      .open = open_operations,
				      .close = close_operations};
