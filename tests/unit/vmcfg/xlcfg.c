/* SPDX-License-Identifier: BSD-3-Clause */
/* Files as users of xl have them (tests/unit/xlcfg): what comes of each, or the error's exact
 * words. The host has CPUs 0 and 1 on node 0, 2 and 3 on node 1, and no XSM. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mac.h"
#include "tests/fake/fake.h"
#include "tests/unit/unit.h"

struct expected {
	const char *file;   /* without .cfg */
	const char *got;    /* what show() makes of it, or "refused: " and the error */
	const char *warned; /* all warnings with " | " between; NULL: none */
};

static const struct expected expected[] = {
#include "tests/unit/xlcfg/expected.h"
};

static void show_devices(const struct vm_config *c, FILE *to)
{
	for (uint32_t i = 0; i < c->ndevice; i++) {
		const struct device_config *d = &c->device[i];
		char name[18];

		if (d->kind == DEVICE_VBD) {
			vdev_name(d->devid, name);
			(void)fprintf(to, " %s=%s%s%s", name, d->u.vbd.path,
				      d->u.vbd.readonly ? ",ro" : "", d->u.vbd.cdrom ? ",cd" : "");
			continue;
		}
		mac_print(d->u.vif.mac, name);
		(void)fprintf(to, " vif=%s%s%s", d->u.vif.bridge,
			      strcmp(name, "00:00:00:00:00:00") == 0 ? "" : ",",
			      strcmp(name, "00:00:00:00:00:00") == 0 ? "" : name);
	}
}

/* All that counts, in one line. */
static void show(const struct vm_config *c, FILE *to)
{
	char cpus[64];

	(void)fprintf(to, "%s %s %llu", c->name, dom_type_name(c->type),
		      (unsigned long long)c->mem_kib >> 10);
	if (c->maxmem_kib)
		(void)fprintf(to, "-%llu", (unsigned long long)c->maxmem_kib >> 10);
	(void)fprintf(to, "M x%u", c->vcpus);
	if (c->maxvcpus)
		(void)fprintf(to, "-%u", c->maxvcpus);
	vmcfg_cpus_text(&c->cpus, cpus, sizeof(cpus));
	if (cpus[0])
		(void)fprintf(to, " cpus=%s", cpus);
	(void)fprintf(to, " %s", c->kernel);
	if (c->ramdisk)
		(void)fprintf(to, "+%s", c->ramdisk);
	if (c->cmdline && c->cmdline[0])
		(void)fprintf(to, " \"%s\"", c->cmdline);
	show_devices(c, to);
	(void)fprintf(to, " %s/%s/%s", vm_action_name(c->on_poweroff), vm_action_name(c->on_reboot),
		      vm_action_name(c->on_crash));
}

static char *read_file(const char *name, size_t *len)
{
	static char text[16384];
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.cfg", XLCFG, name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s", path);
	*len = fread(text, 1, sizeof(text), f);
	assert_true(*len < sizeof(text));
	(void)fclose(f);
	return text;
}

/* The outcome and the warnings, both the caller's. */
static void outcome(const char *name, struct xen *host, char **got, char **warned)
{
	struct vmcfg v = {.xen = host};
	struct vm_config c;
	struct err e = {0};
	size_t len;
	const char *text = read_file(name, &v.text_len);
	FILE *f;
	int rc;

	v.text = malloc(v.text_len + 1);
	assert_non_null(v.text);
	memcpy(v.text, text, v.text_len);
	v.text[v.text_len] = '\0';
	v.name = strdup("x.cfg");
	v.cwd = strdup("/home/me");
	rc = vmcfg_parse(&v, &c, &e);
	if (rc == 0)
		rc = vm_config_check(&c, &e);
	f = open_memstream(got, &len);
	assert_non_null(f);
	if (rc < 0)
		(void)fprintf(f, "refused: %s", e.msg);
	else
		show(&c, f);
	(void)fclose(f);
	f = open_memstream(warned, &len);
	assert_non_null(f);
	for (uint32_t i = 0; i < v.warning.n; i++)
		(void)fprintf(f, "%s%s", i ? " | " : "", v.warning.item[i]);
	(void)fclose(f);
	vm_config_clear(&c);
	vmcfg_clear(&v);
}

static void print_c(const char *s)
{
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s >= 0x80)
			printf("\\x%02x\"\"", (unsigned char)*s);
		else
			(void)putchar(*s);
}

static void files_of_users(void **state)
{
	static const uint32_t node[] = {0, 0, 1, 1};
	struct xen *host;
	struct err e = {0};
	uint32_t wrong = 0;

	(void)state;
	fake_reset();
	fake_set_cpus(node, 4);
	assert_int_equal(xen_open(&host, &e), 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct expected *x = &expected[i];
		char *warned;
		char *got;

		outcome(x->file, host, &got, &warned);
		if (strcmp(got, x->got) != 0 || strcmp(warned, x->warned ? x->warned : "") != 0) {
			wrong++;
			printf("{\"%s\",\n \"", x->file); /* as a row of the table */
			print_c(got);
			printf(warned[0] ? "\",\n \"" : "\",\n ");
			print_c(warned[0] ? warned : "NULL");
			printf(warned[0] ? "\"},\n" : "},\n");
		}
		free(got);
		free(warned);
	}
	xen_close(host);
	assert_int_equal(wrong, 0);
}

/* Every file has its row. */
static void none_is_forgotten(void **state)
{
	DIR *d = opendir(XLCFG);
	struct dirent *at;
	size_t n = 0;

	(void)state;
	assert_non_null(d);
	while ((at = readdir(d)))
		n += strstr(at->d_name, ".cfg") != NULL;
	(void)closedir(d);
	assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
	assert_true(n >= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_users),
		cmocka_unit_test(none_is_forgotten),
	};

	return cmocka_run_group_tests_name("xlcfg", tests, NULL, NULL);
}
