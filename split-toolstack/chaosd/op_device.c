/* SPDX-License-Identifier: BSD-3-Clause */
/* attach, detach and list of devices at run time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/chaosd/fields.h"
#include "split-toolstack/chaosd/ops.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/vmcfg/vmcfg.h"

#define SPEC_MAX 8192u

/* Exists longer than the request: the engine calls back when the backend has come up, or the
 * device is gone. */
struct moving {
	struct conn *c;
	uint32_t tag;
	const char *op;
	char vm[VM_NAME_MAX + 1];
};

static void moved(void *arg, int rc, const struct device_info *d, const struct err *e)
{
	struct moving *m = arg;
	struct conn *c = m->c;

	if (rc < 0) {
		reply_error(c, m->tag, e);
	} else {
		struct wire_out w;

		reply_begin(c, &w, PROTO_OK, m->tag);
		if (d)
			fields_device(&w, d);
		reply_send(c, &w);
		log_line(LOG_INFO, "op=%s name=%s uid=%u pid=%d", m->op, m->vm, c->uid, c->pid);
	}
	conn_unref(c);
	free(m);
}

static struct moving *moving_new(const struct request *r, const char *op, const struct vm *vm,
				 struct err *e)
{
	struct moving *m = calloc(1, sizeof(*m));

	if (!m) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	*m = (struct moving){.c = r->c, .tag = r->in.h.tag, .op = op};
	memcpy(m->vm, vm_name(vm), strlen(vm_name(vm)) + 1);
	conn_ref(r->c);
	return m;
}

/* All kinds for a message, by `name`: "vif or vbd", "vif=... or disk=...". */
static const char *all_kinds(const char *(*name)(enum device_kind kind), const char *end, char *to,
			     size_t room)
{
	size_t n = 0;

	for (uint32_t kind = 0; kind < DEVICE_KINDS && n < room; kind++)
		n += (size_t)snprintf(to + n, room - n, "%s%s%s", kind ? " or " : "", name(kind),
				      end);
	return to;
}

/* "vif=SPEC" or "disk=SPEC" */
static int parse(const struct request *r, struct vmcfg_list *warning, struct device_config *d,
		 struct err *e)
{
	char spec[SPEC_MAX];
	char cwd[4096];
	char kinds[64];
	bool have_cwd = wire_get_text(&r->in, PROTO_CWD, cwd, sizeof(cwd));

	if (!wire_get_text(&r->in, PROTO_SET, spec, sizeof(spec)))
		return err_set(e, EINVAL, "no device given, or more than %u bytes of it", SPEC_MAX);
	if (have_cwd && cwd[0] != '/')
		return err_set(e, EINVAL, "the working folder \"%s\" does not begin with /", cwd);
	for (uint32_t kind = 0; kind < DEVICE_KINDS; kind++) {
		size_t n = strlen(device_kind_word(kind));

		if (strncmp(spec, device_kind_word(kind), n) == 0 && spec[n] == '=')
			return vmcfg_device(kind, spec + n + 1, have_cwd ? cwd : NULL, warning, d,
					    e);
	}
	return err_set(e, EINVAL, "\"%.40s\": give %s", spec,
		       all_kinds(device_kind_word, "=...", kinds, sizeof(kinds)));
}

int op_attach(struct engine *en, struct request *r, struct err *e)
{
	struct vmcfg v = {0};
	struct device_config d;
	struct moving *m = NULL;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc < 0)
		return rc;
	device_config_init(&d, DEVICE_VIF);
	rc = parse(r, &v.warning, &d, e);
	if (rc == 0) {
		m = moving_new(r, "attach", vm, e);
		rc = m ? 0 : -ENOMEM;
	}
	if (m) {
		reply_warnings(r->c, r->in.h.tag, &v.warning);
		vm_attach(vm, &d, moved, m);
	}
	device_config_clear(&d);
	vmcfg_clear(&v);
	return rc;
}

/* --- which one --- */

struct wanted {
	enum device_kind kind;
	char name[64];
	uint32_t found; /* devid, or DEVICE_ANY */
};

static void compare(const struct device_info *d, void *arg)
{
	struct wanted *w = arg;

	if (d->config->kind == w->kind &&
	    device_config_ops[w->kind]->is_named(d->config, d->ifname, w->name))
		w->found = d->config->devid;
}

static int read_kind(const struct request *r, enum device_kind *kind, bool *given, struct err *e)
{
	char text[16];
	char kinds[64];

	*given = wire_get_text(&r->in, PROTO_KIND, text, sizeof(text));
	if (!*given)
		return 0;
	if (device_kind_parse(text, kind) < 0)
		return err_set(e, EINVAL, "kind \"%s\": give %s", text,
			       all_kinds(device_kind_name, "", kinds, sizeof(kinds)));
	return 0;
}

static int find_device(const struct request *r, struct vm *vm, struct wanted *w, struct err *e)
{
	const struct device_config_ops *ops;
	bool given;
	int rc = read_kind(r, &w->kind, &given, e);

	if (rc < 0)
		return rc;
	if (!given || !wire_get_text(&r->in, PROTO_ID, w->name, sizeof(w->name)) ||
	    w->name[0] == '\0')
		return err_set(e, EINVAL, "no device named, or its name is too long");
	ops = device_config_ops[w->kind];
	rc = ops->check_name ? ops->check_name(w->name, e) : 0;
	if (rc < 0)
		return rc;
	w->found = DEVICE_ANY;
	vm_for_each_device(vm, compare, w);
	if (w->found == DEVICE_ANY)
		return err_set(e, ENOENT,
			       "\"%s\" has no %s \"%s\"; \"chaos %s %s\" shows what it has",
			       vm_name(vm), ops->word, w->name, ops->list, vm_name(vm));
	return 0;
}

int op_detach(struct engine *en, struct request *r, struct err *e)
{
	bool force = wire_get_u32(&r->in, PROTO_FLAGS, 0) & PROTO_F_FORCE;
	struct wanted want = {0};
	struct moving *m;
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0 && vm_state(vm) != VM_RUNNING && vm_state(vm) != VM_PAUSED)
		rc = err_set(e, ESRCH, "\"%s\" is not running: it is %s", vm_name(vm),
			     vm_state_name(vm_state(vm)));
	if (rc == 0)
		rc = find_device(r, vm, &want, e);
	if (rc < 0)
		return rc;
	m = moving_new(r, "detach", vm, e);
	if (!m)
		return -ENOMEM;
	vm_detach(vm, want.kind, want.found, force, moved, m);
	return 0;
}

/* --- list --- */

struct listing {
	const struct request *r;
	enum device_kind kind;
	bool one_kind;
};

static void list_one(const struct device_info *d, void *arg)
{
	const struct listing *l = arg;
	struct wire_out w;

	if (l->one_kind && d->config->kind != l->kind)
		return;
	reply_begin(l->r->c, &w, PROTO_ITEM, l->r->in.h.tag);
	fields_device(&w, d);
	reply_send(l->r->c, &w);
}

int op_devices(struct engine *en, struct request *r, struct err *e)
{
	struct listing l = {.r = r, .kind = DEVICE_VIF};
	struct vm *vm;
	int rc = request_vm(en, r, &vm, e);

	if (rc == 0)
		rc = read_kind(r, &l.kind, &l.one_kind, e);
	if (rc < 0)
		return rc;
	vm_for_each_device(vm, list_one, &l);
	reply_ok(r->c, r->in.h.tag);
	return 0;
}
