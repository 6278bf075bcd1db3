/* SPDX-License-Identifier: BSD-3-Clause */
/* create: from fields to a configuration, from the engine's callback to the answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/metrics.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/vmcfg/vmcfg.h"

/* Exists longer than the request: the engine calls back when the create has ended. */
struct creating {
	struct conn *c;
	uint32_t tag, flags;
};

static void send_time(struct conn *c, uint32_t tag, const char *phase, uint32_t ns)
{
	struct wire_out w;
	char text[64];

	(void)snprintf(text, sizeof(text), "%s=%u", phase, ns);
	reply_begin(c, &w, PROTO_ITEM, tag);
	wire_text(&w, PROTO_TIME, text);
	reply_send(c, &w);
}

void reply_times(struct conn *c, uint32_t tag, const struct vm_timings *t)
{
	send_time(c, tag, "image", t->image_ns);
	send_time(c, tag, "record", t->record_ns);
	for (int i = 0; i < DOM_T_COUNT; i++)
		send_time(c, tag, dom_phase_name((enum dom_phase)i), t->phase_ns[i]);
	send_time(c, tag, "devices", t->devices_ns);
	if (t->ready_ns)
		send_time(c, tag, "ready", t->ready_ns);
	send_time(c, tag, "total", t->total_ns);
}

static void created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		    const struct err *e)
{
	struct creating *k = arg;
	struct conn *c = k->c;
	struct wire_out w;

	if (rc < 0) {
		reply_error(c, k->tag, e);
	} else {
		if (!c->gone && (k->flags & PROTO_F_TIMINGS))
			reply_times(c, k->tag, t);
		if (!c->gone) {
			struct vm_info i;

			vm_known_info(vm, &i); /* the guest has hardly run */
			reply_begin(c, &w, PROTO_OK, k->tag);
			fields_vm_info(&w, &i);
			wire_text(&w, PROTO_WAY, vm_way_name(t->way));
			wire_text(&w, PROTO_WHY, t->why);
			reply_send(c, &w);
		}
		metrics_create(t->way, t->total_ns);
		log_line(LOG_INFO, "op=create dom=%u name=%s way=%s us=%u uid=%u pid=%d",
			 vm_domid(vm), vm_name(vm), vm_way_name(t->way), t->total_ns / 1000, c->uid,
			 c->pid);
	}
	conn_unref(c);
	free(k);
}

/* --- fields --- */

static int keep_text(char **to, const struct wire_field *f, struct err *e)
{
	if (memchr(f->data, '\0', f->len))
		return err_set(e, EINVAL, "field %d has a zero byte in its text", (int)f->id);
	free(*to);
	*to = strndup((const char *)f->data, f->len);
	return *to ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int add_text(struct vmcfg_list *l, const struct wire_field *f, struct err *e)
{
	if (memchr(f->data, '\0', f->len))
		return err_set(e, EINVAL, "field %d has a zero byte in its text", (int)f->id);
	return vmcfg_add(l, (const char *)f->data, f->len) < 0 ? err_set(e, ENOMEM, "out of memory")
							       : 0;
}

static int read_fields(const struct request *r, struct vmcfg *v, struct err *e)
{
	struct wire_field f;
	uint32_t at = 0;
	int rc = 0;

	while (rc == 0 && wire_next(&r->in, &at, &f)) {
		if (f.id == PROTO_CONFIG) {
			rc = keep_text(&v->text, &f, e);
			v->text_len = f.len;
		} else if (f.id == PROTO_CONFIG_NAME) {
			rc = keep_text(&v->name, &f, e);
		} else if (f.id == PROTO_CWD) {
			rc = keep_text(&v->cwd, &f, e);
		} else if (f.id == PROTO_OVERRIDE) {
			rc = add_text(&v->override, &f, e);
		} else if (f.id == PROTO_SET) {
			rc = add_text(&v->set, &f, e);
		} else if (f.id == PROTO_IGNORE) {
			rc = add_text(&v->ignore, &f, e);
		} else if (f.id != PROTO_FLAGS && f.id != PROTO_KERNEL_FD &&
			   f.id != PROTO_RAMDISK_FD) {
			rc = err_set(e, EPROTO, "field %d does not belong to create", (int)f.id);
		}
	}
	if (rc == 0 && v->cwd && v->cwd[0] != '/')
		rc = err_set(e, EINVAL, "the working folder \"%s\" does not begin with /", v->cwd);
	return rc;
}

/* The file that a client has passed, instead of one that the daemon would open. */
static int take_file(struct request *r, enum proto_id id, int *fd, struct err *e)
{
	uint32_t i = wire_get_u32(&r->in, id, UINT32_MAX);

	if (i == UINT32_MAX)
		return 0;
	if (i >= r->nfd || r->fd[i] < 0)
		return err_set(e, EPROTO, "file %u was named, but not passed", i);
	*fd = r->fd[i];
	r->fd[i] = -1;
	return 0;
}

/* A client that did not get the answer repeats its request: the answer is the VM that the first
 * one made. */
static bool answer_same(struct engine *en, const struct request *r, const struct vm_config *cfg)
{
	struct vm *vm = cfg->have_uuid ? engine_find_uuid(en, cfg->uuid) : NULL;
	struct wire_out w;

	if (!vm)
		return false;
	reply_begin(r->c, &w, PROTO_OK, r->in.h.tag);
	fields_vm(&w, vm);
	wire_text(&w, PROTO_WAY, "same");
	reply_send(r->c, &w);
	return true;
}

int op_create(struct engine *en, struct request *r, struct err *e)
{
	uint32_t flags = wire_get_u32(&r->in, PROTO_FLAGS, 0);
	struct vm_config cfg;
	struct vmcfg v = {0};
	struct creating *k = NULL;
	uint32_t how = 0;
	int rc = read_fields(r, &v, e);

	vm_config_init(&cfg);
	v.xen = engine_xen(en);
	v.xl = flags & PROTO_F_XL;
	if (rc == 0)
		rc = vmcfg_parse(&v, &cfg, e);
	if (rc == 0)
		rc = take_file(r, PROTO_KERNEL_FD, &cfg.kernel_fd, e);
	if (rc == 0)
		rc = take_file(r, PROTO_RAMDISK_FD, &cfg.ramdisk_fd, e);
	if (rc == 0 && (flags & PROTO_F_SAME) && answer_same(en, r, &cfg)) {
		vm_config_clear(&cfg);
		vmcfg_clear(&v);
		return 0;
	}
	if (rc == 0) {
		k = malloc(sizeof(*k));
		if (!k)
			rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc == 0) {
		reply_warnings(r->c, r->in.h.tag, &v.warning);
		*k = (struct creating){.c = r->c, .tag = r->in.h.tag, .flags = flags};
		conn_ref(r->c);
		how |= flags & PROTO_F_PAUSED ? VM_CREATE_PAUSED : 0;
		how |= flags & PROTO_F_READY ? VM_CREATE_WAIT_READY : 0;
		how |= flags & PROTO_F_NO_WAIT_DEVICES ? 0 : VM_CREATE_WAIT_DEVICES;
		engine_create(en, &cfg, how, created, k);
	} else if (v.name) {
		rc = err_wrap(e, rc, "%s", v.name);
	}
	vm_config_clear(&cfg);
	vmcfg_clear(&v);
	return rc;
}
