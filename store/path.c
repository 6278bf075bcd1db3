/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths: which ones there are, and whose. */
#include "store/private.h"

uint32_t store_hash_seed;

/* Bytes that names are made of. */
static const bool name_byte[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
	['-'] = true,	      ['_'] = true,	    ['@'] = true,
};

#define DOMAIN_PREFIX "/local/domain/"

static const char *behind_domain(const char *path, uint32_t *domid)
{
	const char *first = path + sizeof(DOMAIN_PREFIX) - 1;
	const char *at;
	uint32_t v = 0;

	if (strncmp(path, DOMAIN_PREFIX, sizeof(DOMAIN_PREFIX) - 1) != 0 || *first < '0' ||
	    *first > '9')
		return NULL;
	for (at = first; *at >= '0' && *at <= '9' && v <= 0x7fff; at++)
		v = v * 10 + (uint32_t)(*at - '0');
	if ((*at != '\0' && *at != '/') || v > 0x7fff || (first[0] == '0' && at > first + 1))
		return NULL;
	*domid = v;
	return at;
}

bool store_path_ok(const char *path, size_t len)
{
	const char *local;
	uint32_t domid;

	if (len == 0 || len >= STORE_PATH_MAX || *path != '/')
		return false;
	if (len == 1)
		return true;
	if (path[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name_byte[(uint8_t)path[i]] && (path[i] != '/' || path[i + 1] == '/'))
			return false;
	local = behind_domain(path, &domid);
	return !local || strlen(local) <= STORE_REL_MAX;
}

uint32_t store_path_domain(const char *path)
{
	uint32_t domid;

	return behind_domain(path, &domid) ? domid : STORE_NO_DOMAIN;
}
