/* SPDX-License-Identifier: BSD-3-Clause */
/* struct vm_config: defaults, checks, words. */
#include "split-toolstack/engine/config/vm_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "libdom/share.h"

static const char *const action_names[] = {"destroy", "restart", "rename-restart", "preserve"};

const char *vm_action_name(enum vm_action a)
{
	return action_names[a];
}

int vm_action_parse(const char *word, enum vm_action *out)
{
	for (size_t i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
		if (strcmp(word, action_names[i]) == 0) {
			*out = (enum vm_action)i;
			return 0;
		}
	}
	return -EINVAL;
}

void vm_config_clear(struct vm_config *c)
{
	free(c->kernel);
	free(c->ramdisk);
	free(c->cmdline);
	free(c->snapshot);
	free(c->cpus.map);
	for (uint32_t i = 0; i < c->ndevice; i++)
		device_config_clear(&c->device[i]);
	free(c->device);
	if (c->kernel_fd >= 0)
		(void)close(c->kernel_fd);
	if (c->ramdisk_fd >= 0)
		(void)close(c->ramdisk_fd);
	vm_config_init(c);
}

void vm_config_set_snapshot(struct vm_config *c, char *digest)
{
	free(c->snapshot);
	c->snapshot = digest;
}

static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

static bool copy_devices(struct vm_config *to, const struct vm_config *from)
{
	if (from->ndevice == 0)
		return true;
	to->device = calloc(from->ndevice, sizeof(*to->device));
	if (!to->device)
		return false;
	for (; to->ndevice < from->ndevice; to->ndevice++)
		if (device_config_copy(&to->device[to->ndevice], &from->device[to->ndevice]) < 0)
			return false;
	return true;
}

int vm_config_copy(struct vm_config *to, const struct vm_config *from)
{
	bool ok;

	*to = *from;
	to->kernel_fd = -1;
	to->ramdisk_fd = -1;
	to->have_uuid = false;
	to->cpus.map = from->cpus.map ? malloc(dom_cpus_bytes(&from->cpus)) : NULL;
	ok = !from->cpus.map || to->cpus.map;
	if (to->cpus.map)
		memcpy(to->cpus.map, from->cpus.map, dom_cpus_bytes(&from->cpus));
	to->device = NULL;
	to->ndevice = 0;
	ok = copy_devices(to, from) && ok;
	ok = copy_text(&to->kernel, from->kernel) && ok;
	ok = copy_text(&to->ramdisk, from->ramdisk) && ok;
	ok = copy_text(&to->cmdline, from->cmdline) && ok;
	ok = copy_text(&to->snapshot, from->snapshot) && ok;
	if (!ok)
		vm_config_clear(to);
	return ok ? 0 : -ENOMEM;
}

static bool all_digits(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static int check_name(const char *name, struct err *e)
{
	uint8_t uuid[16];

	if (*name == '\0')
		return 0;
	if (strlen(name) > VM_NAME_MAX)
		return err_set(e, EINVAL, "name: longer than %d characters", VM_NAME_MAX);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:+-") !=
	    strlen(name))
		return err_set(e, EINVAL, "name \"%s\": use letters, digits and _ . : + - only",
			       name);
	if (strcmp(name, "Domain-0") == 0)
		return err_set(e, EINVAL, "name \"Domain-0\": is dom0's; choose another");
	if (name[0] == '-')
		return err_set(e, EINVAL, "name \"%s\": must not begin with \"-\"", name);
	if (all_digits(name) || (strlen(name) == UUID_TEXT - 1 && uuid_read(name, uuid) == 0))
		return err_set(e, EINVAL, "name \"%s\": must not look like a domain id or a uuid",
			       name);
	return 0;
}

static int check_rest(const struct vm_config *c, struct err *e)
{
	int rc = 0;

	if (c->mem_kib == 0)
		return err_set(e, EINVAL, "memory: not given; give it in MiB");
	if (c->mem_kib > (16ull << 30))
		return err_set(e, EINVAL, "memory %llu MiB: more than 16 TiB",
			       (unsigned long long)c->mem_kib >> 10);
	if (c->maxmem_kib && c->maxmem_kib < c->mem_kib)
		return err_set(e, EINVAL, "maxmem %llu KiB: less than memory, which is %llu KiB",
			       (unsigned long long)c->maxmem_kib, (unsigned long long)c->mem_kib);
	if (c->vcpus < 1 || c->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "vcpus %u: 1 to %d are possible", c->vcpus,
			       DOM_MAX_VCPUS);
	if (c->maxvcpus && c->maxvcpus < c->vcpus)
		return err_set(e, EINVAL, "maxvcpus %u: less than vcpus, which is %u", c->maxvcpus,
			       c->vcpus);
	if (c->maxvcpus > DOM_MAX_VCPUS)
		return err_set(e, EINVAL, "maxvcpus %u: at most %d are possible", c->maxvcpus,
			       DOM_MAX_VCPUS);
	if (c->have_uuid && share_is_template(c->uuid))
		return err_set(
			e, EINVAL,
			"uuid: this prefix is reserved for templates of chaosd; choose another");
	if (c->weight > 65535)
		return err_set(e, EINVAL, "cpu_weight %u: 1 to 65535 are possible", c->weight);
	if (c->cap != UINT32_MAX && c->cap > 100 * vm_config_vcpus(c))
		return err_set(e, EINVAL, "cap %u: at most 100 for each of the %u vCPUs", c->cap,
			       vm_config_vcpus(c));
	if (c->cmdline && strlen(c->cmdline) > VM_CMDLINE_MAX)
		return err_set(e, EINVAL, "cmdline: %zu bytes; at most %d fit", strlen(c->cmdline),
			       VM_CMDLINE_MAX);
	if (c->fork > NOXS_CHILDREN_MAX || c->fork_depth > VM_FORK_DEPTH_MAX)
		return err_set(e, EINVAL,
			       "fork %u, fork_depth %u: at most %u children and %u generations",
			       c->fork, c->fork_depth, NOXS_CHILDREN_MAX, VM_FORK_DEPTH_MAX);
	if (c->fork && c->limits.asked & DOM_LIMIT_MAPTRACK_FRAMES && !c->limits.maptrack_frames)
		return err_set(e, EINVAL,
			       "fork %u: a child maps pages of its parent: max_maptrack_frames "
			       "must be 1 or more, or left out",
			       c->fork);
	for (uint32_t i = 0; rc == 0 && i < c->ndevice; i++)
		rc = device_config_check(&c->device[i], c->device, i, e);
	return rc;
}

int vm_config_check(const struct vm_config *c, struct err *e)
{
	int rc = check_name(c->name, e);

	if (rc == 0 && !c->kernel && c->kernel_fd < 0)
		rc = err_set(e, EINVAL, "kernel: not given; name the image to boot");
	return rc < 0 ? rc : check_rest(c, e);
}

int vm_config_check_built(const struct vm_config *c, struct err *e)
{
	int rc = check_name(c->name, e);

	return rc < 0 ? rc : check_rest(c, e);
}
