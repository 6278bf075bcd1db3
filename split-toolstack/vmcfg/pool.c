/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a flavor. */
#include "split-toolstack/vmcfg/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/images/imagestore.h"

static int set_word(struct pool_flavor *f, char *word, bool *counted, struct err *e)
{
	char *value = strchr(word, '=');

	if (!value)
		return err_set(e, EINVAL, "pool: \"%s\" is not of the form key=value", word);
	*value++ = '\0';
	if (strcmp(word, "memory") == 0)
		return vmcfg_memory("pool: memory", value, &f->mem_kib, e);
	if (strcmp(word, "vcpus") == 0)
		return vmcfg_number("pool: vcpus", value, 1, DOM_MAX_VCPUS, &f->vcpus, e);
	if (strcmp(word, "low") == 0)
		return vmcfg_number("pool: low", value, 0, POOL_TARGET_MAX, &f->low, e);
	if (strcmp(word, "count") == 0 || strcmp(word, "high") == 0) {
		int rc;

		*counted = true;
		rc = vmcfg_number(*word == 'c' ? "pool: count" : "pool: high", value, 0,
				  POOL_TARGET_MAX, &f->high, e);
		if (*word == 'c')
			f->low = f->high;
		return rc;
	}
	if (strcmp(word, "vifs") == 0)
		return vmcfg_number("pool: vifs", value, 0, VM_VIFS_MAX, &f->vifs, e);
	if (strcmp(word, "vbds") == 0)
		return vmcfg_number("pool: vbds", value, 0, VM_VBDS_MAX, &f->vbds, e);
	if (strcmp(word, "bridge") == 0) {
		if (snprintf(f->bridge, sizeof(f->bridge), "%s", value) >= (int)sizeof(f->bridge))
			return err_set(e, EINVAL, "pool: bridge \"%s\": too long", value);
		return 0;
	}
	if (strcmp(word, "backend") == 0) {
		if (strcmp(value, "kernel") != 0 && strcmp(value, "user") != 0)
			return err_set(e, EINVAL,
				       "pool: backend \"%s\": use \"kernel\" or \"user\"", value);
		f->backend = *value == 'u' ? BACKEND_USER : BACKEND_KERNEL;
		return 0;
	}
	if (strcmp(word, "type") == 0) {
		if (strcmp(value, "pv") != 0 && strcmp(value, "pvh") != 0)
			return err_set(e, EINVAL, "pool: type \"%s\": use \"pv\" or \"pvh\"",
				       value);
		f->type = strcmp(value, "pvh") == 0 ? DOM_PVH : DOM_PV;
		return 0;
	}
	if (strcmp(word, "for") == 0) {
		if (strcmp(value, "noxs") != 0 && strcmp(value, "linux") != 0)
			return err_set(e, EINVAL, "pool: for \"%s\": use \"noxs\" or \"linux\"",
				       value);
		f->for_linux = strcmp(value, "linux") == 0;
		return 0;
	}
	if (strcmp(word, "image") == 0) {
		if (*value != '/' && strncmp(value, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) != 0)
			return err_set(e, EINVAL,
				       "pool: image \"%s\": give a path that begins with /, or "
				       "image:NAME",
				       value);
		free(f->image);
		f->image = strdup(value);
		return f->image ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	if (strcmp(word, "ramdisk") == 0) {
		if (*value != '/')
			return err_set(e, EINVAL,
				       "pool: ramdisk \"%s\": give a path that begins with /",
				       value);
		free(f->ramdisk);
		f->ramdisk = strdup(value);
		return f->ramdisk ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	return err_set(e, EINVAL,
		       "pool: \"%s\": use type, memory, vcpus, count (or low and "
		       "high), for, image, ramdisk, vifs, vbds, bridge and backend",
		       word);
}

int poolcfg_parse(const char *text, struct pool_flavor *out, struct err *e)
{
	char *copy = strdup(text);
	bool counted = false;
	char *save = NULL;
	int rc = copy ? 0 : err_set(e, ENOMEM, "out of memory");

	*out = (struct pool_flavor){.type = DOM_PV, .vcpus = 1};
	for (char *word = copy ? strtok_r(copy, " ,\t", &save) : NULL; word && rc == 0;
	     word = strtok_r(NULL, " ,\t", &save))
		rc = set_word(out, word, &counted, e);
	free(copy);
	if (rc == 0 && (!counted || out->mem_kib == 0))
		rc = err_set(e, EINVAL, "pool: give memory and count (or low and high)");
	if (rc == 0 && out->ramdisk && !out->image)
		rc = err_set(e, EINVAL, "pool: a ramdisk needs an image");
	if (rc == 0 && out->for_linux && out->image)
		rc = err_set(e, EINVAL, "pool: give an image, or for=linux: shells without one");
	if (rc < 0) {
		free(out->ramdisk);
		free(out->image);
		out->ramdisk = NULL;
		out->image = NULL;
	}
	return rc;
}
