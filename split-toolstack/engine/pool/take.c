/* SPDX-License-Identifier: BSD-3-Clause */
/* A create takes a shell: the best one that fits. */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/vm/parts.h"

/* Of the request's image, as far as the flavor's words tell; or a shell that could take it. */
static bool could_serve(const struct flavor *f, const struct shell_want *want)
{
	if (want->saved)
		return !f->f.image && !f->f.for_linux;
	if (f->f.image)
		return flavor_same_text(f->f.image, want->cfg->kernel);
	return f->f.for_linux == (image_info(want->img)->builder == IMAGE_LINUX);
}

/* A warm one first, then any shell of the size; NULL with a reason. */
static struct flavor *best(struct engine *en, const struct shell_want *want, const char **why)
{
	static const char no_flavor[] = "no flavor of this type, size and number of vCPUs";
	static const char other_devices[] = "no flavor with these devices";
	const struct vm_config *c = want->cfg;
	struct flavor *shell = NULL;
	struct file_key ramdisk;
	bool fork;

	(void)file_key(c->ramdisk_fd, &ramdisk);
	*why = no_flavor;
	if (c->maxmem_kib && c->maxmem_kib != c->mem_kib) {
		*why = "maxmem differs from memory";
		return NULL;
	}
	if (vm_config_vcpus(c) != c->vcpus) {
		*why = "maxvcpus differs from vcpus";
		return NULL;
	}
	fork = memcmp(&c->limits, &vm_fork_limits, sizeof(c->limits)) == 0;
	/* a shell has the limits of its kind of image, which cannot be changed */
	if (c->limits.asked && !fork) {
		*why = "limits of its own (max_*)";
		return NULL;
	}
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next) {
		if (f->f.type != c->type || f->f.vcpus != c->vcpus || f->f.mem_kib != c->mem_kib ||
		    f->f.fork != fork || f->copies)
			continue;
		if (!flavor_fits_devices(en, &f->f, want)) {
			if (*why == no_flavor)
				*why = other_devices;
			continue;
		}
		if (!f->shells) {
			if (could_serve(f, want)) {
				f->f.misses++;
				flavor_wanted(en, f);
				*why = "the pool ran dry";
			}
			continue;
		}
		if (!want->saved && f->shells->img == want->img &&
		    memcmp(&f->shells->ramdisk, &ramdisk, sizeof(ramdisk)) == 0)
			return f;
		if (!f->shells->img) {
			if (could_serve(f, want))
				shell = f;
			continue;
		}
		if (want->saved)
			continue;
		*why = c->ramdisk_fd < 0 ? "another image is warm"
					 : "another image or ramdisk is warm";
		if (flavor_same_text(f->f.image, c->kernel) &&
		    flavor_same_text(f->f.ramdisk, c->ramdisk)) { /* a file has changed since */
			*why = "the image has changed";
			flavor_drop_shells(en, f, 0);
			idle_later(engine_idle(en));
		}
	}
	if (shell && (*why == no_flavor || *why == other_devices))
		*why = "no flavor has this image";
	return shell;
}

/* Why no shell can fit, or NULL. */
static const char *unfit(const struct shell_want *want)
{
	const struct image_info *i = want->img ? image_info(want->img) : NULL;

	if (want->saved)
		return NULL;
	if (!i)
		return "the image is large and new";
	if (i->builder == IMAGE_LINUX)
		return NULL;
	if (!i->direct)
		return "the image has no noxs entry";
	return want->cfg->ramdisk_fd >= 0 ? "a noxs entry takes no ramdisk" : NULL;
}

/* The pool forgets the shell: its parts belong to the VM now. */
static void hand_over(struct shell *s, struct device_set *devices, struct shell_parts *out)
{
	*out = (struct shell_parts){.dom = s->dom,
				    .slot = s->slot,
				    .map = s->map,
				    .guest_port = s->guest_port,
				    .store_port = s->store_port,
				    .port = s->port,
				    .warm = s->img != NULL,
				    .at_gate = s->at_gate};
	devices_hand_over(&s->devices, devices);
	image_put(s->img);
	free(s);
}

static int identify(struct engine *en, const struct shell_want *want, const struct shell *s)
{
	/* A shell with mapped pages keeps its id; another one may have ended, and its id may
	 * belong to another domain. */
	bool mapped = s->map || dom_window_pages(&s->dom);
	int rc = mapped ? 0 : xen_domain_is(engine_xen(en), s->dom.domid, s->uuid);

	return rc < 0 ? rc : want->identify(want->arg, s->dom.domid, s->uuid);
}

bool pool_take(struct engine *en, const struct shell_want *want, struct shell_parts *out,
	       const char **why)
{
	struct flavor *f;
	struct shell *s;

	*why = unfit(want);
	if (*why)
		return false;
	do {
		f = best(en, want, why);
		if (!f)
			return false;
		s = f->shells;
		f->shells = s->next;
		f->f.ready--;
	} while (s->at_gate && !gate_holds(en, f, s));
	idle_later(engine_idle(en));
	if (identify(en, want, s) < 0) {
		*why = "its shell could not be used";
		shell_end(en, s);
		return false;
	}
	f->f.hits++;
	flavor_wanted(en, f);
	if (s->img)
		*why = "";
	gate_ignore(en, s);
	hand_over(s, want->devices, out);
	out->low = f->f.ready == 0 ? &f->f : NULL;
	return true;
}

/* --- copies of a snapshot --- */

static struct flavor *of_snapshot(struct engine *en, const char *from)
{
	struct flavor *f = engine_pool(en)->flavors;

	while (f && !(f->copies && strcmp(f->f.from, from) == 0))
		f = f->next;
	return f;
}

const struct vm_config *pool_copy_waits(struct engine *en, const char *from, const char **why)
{
	struct flavor *f = of_snapshot(en, from);

	*why = "no flavor of this snapshot";
	if (!f)
		return NULL;
	if (f->shells)
		return copies_config(f->copies);
	f->f.misses++;
	flavor_wanted(en, f);
	idle_later(engine_idle(en));
	*why = f->backoff ? "copies of it could not be made ahead: chaosd's log says why"
			  : "the pool ran dry";
	return NULL;
}

int pool_take_copy(struct engine *en, const char *from, const struct shell_want *want,
		   struct shell_parts *out, struct err *e)
{
	struct flavor *f = of_snapshot(en, from);
	struct shell *s = f ? f->shells : NULL;
	int rc;

	if (!s)
		return err_set(e, ENOENT, "no copy of \"%s\" waits in the pool", from);
	f->shells = s->next;
	f->f.ready--;
	idle_later(engine_idle(en));
	rc = want->identify(want->arg, s->dom.domid, s->uuid);
	if (rc < 0) {
		shell_end(en, s);
		return err_sys(e, -rc, "take a copy of \"%s\" out of the pool", from);
	}
	f->f.hits++;
	copies_taken(f->copies);
	flavor_wanted(en, f);
	hand_over(s, want->devices, out);
	out->low = f->f.ready == 0 ? &f->f : NULL;
	return 0;
}

/* --- copies of a booted guest --- */

static struct flavor *of_booted(const struct engine *en, const char *from)
{
	struct flavor *f = engine_pool(en)->flavors;

	while (f && !(f->copies && copies_boot(f->copies) && strcmp(f->f.from, from) == 0))
		f = f->next;
	return f;
}

const struct pool_flavor *pool_boots(const struct engine *en, const char *from)
{
	const struct flavor *f = of_booted(en, from);

	return f ? &f->f : NULL;
}

/* Whether its first vif has the wanted addresses. */
static bool has_vif(const struct vm *vm, const struct vif_config *want)
{
	const struct vif_config *v = device_first_vif(vm_cfg(vm)->device, vm_cfg(vm)->ndevice);

	return v && (!vif_has_mac(want) || memcmp(v->mac, want->mac, sizeof(v->mac)) == 0) &&
	       (!want->ip_text[0] || (v->ip.ipv4_prefix == want->ip.ipv4_prefix &&
				      memcmp(v->ip.ipv4, want->ip.ipv4, 4) == 0));
}

struct vm *pool_booted_next(struct engine *en, const char *from, const struct vif_config *vif,
			    const char **why)
{
	struct flavor *f = pool_copy_waits(en, from, why) ? of_booted(en, from) : NULL;
	struct shell *s = f ? f->shells : NULL;

	while (s && vif && !has_vif(booted_vm(s), vif))
		s = s->next;
	if (f && !s)
		*why = "another MAC or IP address than the copies in the pool have";
	if (!f || !s)
		return NULL;
	LL_DELETE(f->shells, s); /* it is the next one */
	LL_PREPEND(f->shells, s);
	return booted_vm(s);
}

void pool_booted_take(struct engine *en, const char *from, const struct pool_flavor **low)
{
	struct flavor *f = of_booted(en, from);
	struct shell *s = f ? f->shells : NULL;

	*low = NULL;
	if (!s)
		return;
	f->shells = s->next;
	f->f.ready--;
	f->f.hits++;
	idle_later(engine_idle(en));
	flavor_wanted(en, f);
	*low = f->f.ready == 0 ? &f->f : NULL;
	(void)booted_release(s);
}
