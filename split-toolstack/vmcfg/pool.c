/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a flavor. */
#include "split-toolstack/vmcfg/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/booted_plan.h"
#include "split-toolstack/vmcfg/field.h"

#define AT(member) FIELD_AT(struct pool_flavor, member)

/* By enum dom_type, for_linux and enum device_backend. */
static const char *const types[] = {"pv", "pvh", NULL};
static const char *const systems[] = {"noxs", "linux", NULL};
static const char *const answers[] = {"no", "yes", NULL};
#define BACKEND_WORD(name, NUMBER, links) #name,
static const char *const backends[] = {DEVICE_BACKENDS_ALL(BACKEND_WORD) NULL};
static const char *const yes_no[] = {"yes", "no", NULL}; /* by no_gate */
static const char *const disks[] = {"same", "readonly", "none", NULL};

static const struct field words[] = {
	{"type", FIELD_WORD, AT(type), .words = types},
	{"memory", FIELD_MEMORY, AT(mem_kib)},
	{"vcpus", FIELD_NUMBER, AT(vcpus), 1, DOM_MAX_VCPUS},
	{"count", FIELD_NUMBER, AT(high), 0, POOL_TARGET_MAX}, /* sets low, too */
	{"low", FIELD_NUMBER, AT(low), 0, POOL_TARGET_MAX},
	{"high", FIELD_NUMBER, AT(high), 0, POOL_TARGET_MAX},
	{"for", FIELD_WORD, AT(for_linux), .words = systems},
	{"fork", FIELD_WORD, AT(fork), .words = answers},
	{"image", FIELD_IMAGE, AT(image)},
	{"ramdisk", FIELD_PATH, AT(ramdisk)},
	{"gate", FIELD_WORD, AT(no_gate), .words = yes_no},
	{"vifs", FIELD_NUMBER, AT(vifs), 0, VM_VIFS_MAX},
	{"vbds", FIELD_NUMBER, AT(vbds), 0, VM_VBDS_MAX},
	{"bridge", FIELD_NAME, AT(bridge)},
	{"backend", FIELD_WORD, AT(backend), .words = backends},
	{"from", FIELD_TEXT, AT(from)},
	{"ready", FIELD_NAME, AT(ready_when)},
	{"mac", FIELD_NAME, AT(macs)},
	{"ip", FIELD_NAME, AT(ips)},
	{"disk", FIELD_WORD, AT(disks), .words = disks},
	{"overcommit", FIELD_WORD, AT(overcommit), .words = answers},
};
#define NWORDS (sizeof(words) / sizeof(words[0]))

static int refuse_word(const char *word, struct err *e)
{
	char all[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < NWORDS && used < sizeof(all); i++) {
		int n = snprintf(all + used, sizeof(all) - used, "%s%s",
				 i == 0		   ? ""
				 : i + 1 == NWORDS ? " and "
						   : ", ",
				 words[i].name);

		used += n < 0 ? 0 : (size_t)n;
	}
	return err_set(e, EINVAL, "pool: \"%s\": an unknown word; there are %s", word, all);
}

/* `given`: a bit for each of words[]. */
static int set_word(struct pool_flavor *f, char *word, uint32_t *given, struct err *e)
{
	char *value = strchr(word, '=');
	const struct field *w = words;
	char key[32];
	int rc;

	if (!value)
		return err_set(e, EINVAL, "pool: \"%s\" is not of the form key=value", word);
	*value++ = '\0';
	while (w < words + NWORDS && strcmp(w->name, word) != 0)
		w++;
	if (w == words + NWORDS)
		return refuse_word(word, e);
	(void)snprintf(key, sizeof(key), "pool: %s", w->name);
	rc = field_set(w, f, key, value, e);
	if (rc == 0 && strcmp(w->name, "count") == 0)
		f->low = f->high;
	*given |= 1u << (w - words);
	return rc;
}

/* The bits of the words that set the same. */
static uint32_t bits_of(size_t at)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < NWORDS; i++)
		bits |= words[i].at == at ? 1u << i : 0;
	return bits;
}

/* Those that a flavor of a snapshot may have, beside its count. */
static uint32_t bits_of_copies(void)
{
	return bits_of(offsetof(struct pool_flavor, overcommit)) |
	       bits_of(offsetof(struct pool_flavor, ready_when)) |
	       bits_of(offsetof(struct pool_flavor, macs)) |
	       bits_of(offsetof(struct pool_flavor, ips)) |
	       bits_of(offsetof(struct pool_flavor, disks));
}

/* Copies of a snapshot are as it is. */
static int check_from(const struct pool_flavor *f, uint32_t given, struct err *e)
{
	uint32_t counts = bits_of(offsetof(struct pool_flavor, low)) |
			  bits_of(offsetof(struct pool_flavor, high));
	uint32_t other =
		given & ~counts & ~bits_of_copies() & ~bits_of(offsetof(struct pool_flavor, from));
	struct booted_plan plan;

	if (!*f->from)
		return err_set(e, EINVAL, "pool: from: give the name of a snapshot");
	if (other)
		return err_set(e, EINVAL,
			       "pool: from=%.64s: %s is set by the snapshot; only count (or low "
			       "and high), ready, mac, ip, disk and overcommit can be given",
			       f->from, words[__builtin_ctz(other)].name);
	if (!(given & bits_of(offsetof(struct pool_flavor, high))))
		return err_set(e, EINVAL, "pool: from=%.64s: give count (or low and high)",
			       f->from);
	return booted_plan_read(f, &plan, e);
}

/* What words must not have together, or cannot be without. */
static int check(const struct pool_flavor *f, uint32_t given, struct err *e)
{
	uint32_t copies = given & bits_of_copies();

	if (f->from)
		return check_from(f, given, e);
	if (copies)
		return err_set(e, EINVAL, "pool: %s is for copies of a snapshot: give from, too",
			       words[__builtin_ctz(copies)].name);
	if (!(given & bits_of(offsetof(struct pool_flavor, high))) || f->mem_kib == 0)
		return err_set(e, EINVAL, "pool: give memory and count (or low and high)");
	if (f->ramdisk && !f->image)
		return err_set(e, EINVAL, "pool: a ramdisk needs an image");
	if (f->for_linux && f->image)
		return err_set(e, EINVAL, "pool: give an image, or for=linux: shells without one");
	return 0;
}

void poolcfg_clear(struct pool_flavor *f)
{
	for (size_t i = 0; i < NWORDS; i++)
		field_clear(&words[i], f);
}

int poolcfg_parse(const char *text, struct pool_flavor *out, struct err *e)
{
	char *copy = strdup(text);
	uint32_t given = 0;
	char *save = NULL;
	int rc = copy ? 0 : err_set(e, ENOMEM, "out of memory");

	*out = (struct pool_flavor){.type = DOM_PV, .vcpus = 1};
	for (char *word = copy ? strtok_r(copy, " ,\t", &save) : NULL; word && rc == 0;
	     word = strtok_r(NULL, " ,\t", &save))
		rc = set_word(out, word, &given, e);
	free(copy);
	if (rc == 0)
		rc = check(out, given, e);
	if (rc < 0)
		poolcfg_clear(out);
	return rc;
}
