/* SPDX-License-Identifier: BSD-3-Clause */
/* struct device_config: the table of kinds, and the code that all kinds share. */
#include "split-toolstack/engine/config/device_config_ops.h"

#include <errno.h>
#include <string.h>

#define ROW(name, NUMBER) [DEVICE_##NUMBER] = &name##_config_ops,
const struct device_config_ops *const device_config_ops[DEVICE_KINDS] = {DEVICE_KINDS_ALL(ROW)};

void device_config_init(struct device_config *d, enum device_kind kind)
{
	memset(d, 0, sizeof(*d));
	d->kind = kind;
	device_config_ops[kind]->init(d);
}

void device_config_clear(struct device_config *d)
{
	if (device_config_ops[d->kind]->clear)
		device_config_ops[d->kind]->clear(d);
	device_config_init(d, d->kind);
}

int device_config_copy(struct device_config *to, const struct device_config *from)
{
	int (*copy)(struct device_config *, const struct device_config *) =
		device_config_ops[from->kind]->copy;

	*to = *from;
	if (!copy || copy(to, from) == 0)
		return 0;
	device_config_clear(to);
	return -ENOMEM;
}

const struct vbd_config *device_file(const struct device_config *d)
{
	return device_config_ops[d->kind]->has_file ? &d->u.vbd : NULL;
}

struct vbd_config *device_change_file(struct device_config *d)
{
	return device_config_ops[d->kind]->has_file ? &d->u.vbd : NULL;
}

void device_make_own(struct device_config *d)
{
	if (device_config_ops[d->kind]->make_own)
		device_config_ops[d->kind]->make_own(d);
}

int device_config_check(const struct device_config *d, const struct device_config *other,
			uint32_t nother, struct err *e)
{
	const struct device_config_ops *ops = device_config_ops[d->kind];
	uint32_t n = 0;
	int rc = ops->check(d, e);

	for (uint32_t i = 0; rc == 0 && i < nother; i++) {
		if (other[i].kind != d->kind)
			continue;
		n++;
		rc = ops->check_beside(d, &other[i], e);
	}
	if (rc == 0 && n >= ops->most)
		rc = err_set(e, E2BIG, "%s: a VM has at most %u", ops->word, ops->most);
	return rc;
}

const char *device_kind_name(enum device_kind kind)
{
	return device_config_ops[kind]->name;
}

const char *device_kind_word(enum device_kind kind)
{
	return device_config_ops[kind]->word;
}

int device_kind_parse(const char *name, enum device_kind *out)
{
	for (uint32_t i = 0; i < DEVICE_KINDS; i++) {
		if (strcmp(name, device_config_ops[i]->name) != 0)
			continue;
		*out = (enum device_kind)i;
		return 0;
	}
	return -EINVAL;
}

int device_kind_by_word(const char *word, enum device_kind *out)
{
	for (uint32_t i = 0; i < DEVICE_KINDS; i++) {
		if (strcmp(word, device_config_ops[i]->word) != 0)
			continue;
		*out = (enum device_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *device_backend_name(enum device_backend b)
{
#define NAME(name, NUMBER, links) [BACKEND_##NUMBER] = #name,
	static const char *const name[] = {DEVICE_BACKENDS_ALL(NAME)};

	return name[b];
}

bool device_backend_links(enum device_backend b)
{
#define LINKS(name, NUMBER, links) [BACKEND_##NUMBER] = (links),
	static const bool has[] = {DEVICE_BACKENDS_ALL(LINKS)};

	return has[b];
}
