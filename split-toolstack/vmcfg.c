/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of keys in its three classes, and the walk over a configuration. Values: libxlutil. */
#include "split-toolstack/vmcfg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxlutil.h>

#include "split-toolstack/cfglex.h"

/* While a configuration is walked. */
struct walk {
	struct vmcfg *v;
	struct vm_config *c;
	XLU_Config *xlu;
	char *root, *extra; /* together the command line, when `cmdline` is not given */
	bool have_cmdline;
	char harmless[256];
};

/* Every key is set from text; `value` is what the configuration or a client said. */
struct key {
	const char *name;
	int (*set)(struct walk *w, const char *key, const char *value, struct err *e);
	const char *why; /* third class: what to say */
};

/* --- setters --- */

static int keep(char **to, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int set_name(struct walk *w, const char *key, const char *value, struct err *e)
{
	if (*value == '\0')
		return err_set(e, EINVAL, "%s: is empty; leave it out to have one made up", key);
	if (snprintf(w->c->name, sizeof(w->c->name), "%s", value) > VM_NAME_MAX)
		return err_set(e, EINVAL, "%s \"%.40s...\": longer than %d characters", key, value,
			       VM_NAME_MAX);
	return 0;
}

static int set_type(struct walk *w, const char *key, const char *value, struct err *e)
{
	if (strcmp(value, "pv") == 0)
		w->c->type = DOM_PV;
	else if (strcmp(value, "pvh") == 0)
		w->c->type = DOM_PVH;
	else if (strcmp(value, "hvm") == 0)
		return err_set(e, EOPNOTSUPP, "%s \"hvm\": chaos runs pv and pvh guests only", key);
	else
		return err_set(e, EINVAL, "%s \"%s\": use \"pv\" or \"pvh\"", key, value);
	return 0;
}

static int set_builder(struct walk *w, const char *key, const char *value, struct err *e)
{
	(void)w;
	if (strcmp(value, "generic") == 0 || strcmp(value, "linux") == 0)
		return 0;
	return err_set(e, EOPNOTSUPP, "%s \"%s\": chaos runs pv and pvh guests only; use type=", key,
		       value);
}

static int set_path(struct walk *w, char **to, const char *key, const char *value, struct err *e)
{
	char *path;

	if (*value == '\0')
		return err_set(e, EINVAL, "%s: is empty", key);
	if (*value == '/')
		return keep(to, value, e);
	if (!w->v->cwd)
		return err_set(e, EINVAL, "%s \"%s\": give a path that begins with /", key, value);
	if (asprintf(&path, "%s/%s", w->v->cwd, value) < 0)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = path;
	return 0;
}

static int set_kernel(struct walk *w, const char *key, const char *value, struct err *e)
{
	return set_path(w, &w->c->kernel, key, value, e);
}

static int set_ramdisk(struct walk *w, const char *key, const char *value, struct err *e)
{
	return set_path(w, &w->c->ramdisk, key, value, e);
}

static int set_cmdline(struct walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	w->have_cmdline = true;
	return keep(&w->c->cmdline, value, e);
}

static int set_extra(struct walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	return keep(&w->extra, value, e);
}

static int set_root(struct walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	return keep(&w->root, value, e);
}

static int set_memory(struct walk *w, const char *key, const char *value, struct err *e)
{
	return vmcfg_memory(key, value, &w->c->mem_kib, e);
}

static int set_maxmem(struct walk *w, const char *key, const char *value, struct err *e)
{
	return vmcfg_memory(key, value, &w->c->maxmem_kib, e);
}

static int set_vcpus(struct walk *w, const char *key, const char *value, struct err *e)
{
	return vmcfg_number(key, value, 1, DOM_MAX_VCPUS, &w->c->vcpus, e);
}

static int set_cpus(struct walk *w, const char *key, const char *value, struct err *e)
{
	(void)key;
	free(w->c->cpumap);
	return vmcfg_cpus(value, &w->c->cpumap, &w->c->cpumap_bytes, e);
}

static int set_weight(struct walk *w, const char *key, const char *value, struct err *e)
{
	return vmcfg_number(key, value, 1, 65535, &w->c->weight, e);
}

static int set_cap(struct walk *w, const char *key, const char *value, struct err *e)
{
	return vmcfg_number(key, value, 0, 100 * DOM_MAX_VCPUS, &w->c->cap, e);
}

static int set_uuid(struct walk *w, const char *key, const char *value, struct err *e)
{
	unsigned int b[16];
	char end;

	if (strlen(value) != 36 ||
	    sscanf(value,
		   "%2x%2x%2x%2x-%2x%2x-%2x%2x-%2x%2x-%2x%2x%2x%2x%2x%2x%c", &b[0], &b[1], &b[2], &b[3],
		   &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10], &b[11], &b[12], &b[13], &b[14],
		   &b[15], &end) != 16)
		return err_set(e, EINVAL,
			       "%s \"%s\": not of the form 01234567-89ab-cdef-0123-456789abcdef", key, value);
	for (int i = 0; i < 16; i++)
		w->c->uuid[i] = (uint8_t)b[i];
	w->c->have_uuid = true;
	return 0;
}

static int set_action(struct walk *w, const char *key, const char *value, struct err *e)
{
	enum vm_action *to = strcmp(key, "on_poweroff") == 0 ? &w->c->on_poweroff
			     : strcmp(key, "on_reboot") == 0 ? &w->c->on_reboot
							     : &w->c->on_crash;

	if (vm_action_parse(value, to) == 0)
		return 0;
	return err_set(e, EINVAL, "%s \"%s\": use destroy, restart, rename-restart or preserve", key,
		       value);
}

static int harmless(struct walk *w, const char *key, const char *value, struct err *e)
{
	size_t used = strlen(w->harmless);

	(void)value;
	(void)e;
	(void)snprintf(w->harmless + used, sizeof(w->harmless) - used, "%s%s", used ? ", " : "", key);
	return 0;
}

/* First what is honoured, then what is harmless, then what would change what the guest gets; a key in
 * no row is an unknown one of the third class. */
static const struct key keys[] = {
	{"name", set_name, NULL},
	{"type", set_type, NULL},
	{"builder", set_builder, NULL},
	{"kernel", set_kernel, NULL},
	{"ramdisk", set_ramdisk, NULL},
	{"cmdline", set_cmdline, NULL},
	{"extra", set_extra, NULL},
	{"root", set_root, NULL},
	{"memory", set_memory, NULL},
	{"maxmem", set_maxmem, NULL},
	{"vcpus", set_vcpus, NULL},
	{"cpus", set_cpus, NULL},
	{"cpu_weight", set_weight, NULL},
	{"cap", set_cap, NULL},
	{"uuid", set_uuid, NULL},
	{"on_poweroff", set_action, NULL},
	{"on_reboot", set_action, NULL},
	{"on_crash", set_action, NULL},

	{"acpi", harmless, NULL},
	{"apic", harmless, NULL},
	{"boot", harmless, NULL},
	{"claim_mode", harmless, NULL},
	{"device_model_version", harmless, NULL},
	{"device_model_override", harmless, NULL},
	{"gfx_passthru", harmless, NULL},
	{"hap", harmless, NULL},
	{"keymap", harmless, NULL},
	{"localtime", harmless, NULL},
	{"nographic", harmless, NULL},
	{"nx", harmless, NULL},
	{"on_soft_reset", harmless, NULL},
	{"on_watchdog", harmless, NULL},
	{"pae", harmless, NULL},
	{"pool", harmless, NULL},
	{"sdl", harmless, NULL},
	{"serial", harmless, NULL},
	{"shadow_memory", harmless, NULL},
	{"soundhw", harmless, NULL},
	{"stdvga", harmless, NULL},
	{"usb", harmless, NULL},
	{"usbdevice", harmless, NULL},
	{"vfb", harmless, NULL},
	{"vga", harmless, NULL},
	{"videoram", harmless, NULL},
	{"vnc", harmless, NULL},
	{"vncconsole", harmless, NULL},
	{"vnclisten", harmless, NULL},
	{"vncpasswd", harmless, NULL},
	{"vncunused", harmless, NULL},
	{"xen_platform_pci", harmless, NULL},

	{"vif", NULL, "this version has no network devices yet"},
	{"disk", NULL, "this version has no disks yet"},
	{"pci", NULL, "PCI passthrough is not supported"},
	{"p9", NULL, "9p shares are not supported"},
	{"vtpm", NULL, "vTPMs are not supported"},
	{"usbctrl", NULL, "USB is not supported"},
	{"usbdev", NULL, "USB is not supported"},
	{"dtdev", NULL, "device passthrough is not supported"},
	{"ioports", NULL, "device passthrough is not supported"},
	{"iomem", NULL, "device passthrough is not supported"},
	{"irqs", NULL, "device passthrough is not supported"},
	{"bootloader", NULL, "boot loaders in dom0 are not supported; name a kernel, or GRUB's Xen image"},
	{"firmware", NULL, "firmware images are not supported"},
	{"maxvcpus", NULL, "vCPUs cannot be added later; use vcpus alone"},
	{"cpus_soft", NULL, "soft affinity is not supported"},
	{"cpuid", NULL, "CPUID policies are not supported yet"},
	{"nestedhvm", NULL, "nested virtualization is not supported"},
	{"seclabel", NULL, "XSM labels are not supported"},
	{"driver_domain", NULL, "driver domains are not supported"},
	{"tsc_mode", NULL, "TSC modes are not supported"},
	{"max_grant_frames", NULL, "limits are chosen by chaos"},
	{"max_maptrack_frames", NULL, "limits are chosen by chaos"},
	{"max_event_channels", NULL, "limits are chosen by chaos"},
	{"channel", NULL, "channels are not supported"},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static bool is_ignored(const struct vmcfg *v, const char *name)
{
	for (uint32_t i = 0; i < v->ignore.n; i++)
		if (strcmp(v->ignore.item[i], name) == 0)
			return true;
	return false;
}

static int set_key(struct walk *w, const char *name, const char *value, struct err *e)
{
	const struct key *k = find_key(name);

	if (is_ignored(w->v, name))
		return 0;
	if (!k)
		return err_set(e, EOPNOTSUPP,
			       "%s: an unknown key; correct it, or leave it out with --ignore %s", name, name);
	if (!k->set)
		return err_set(e, EOPNOTSUPP, "%s: %s; remove it, or leave it out with --ignore %s", name,
			       k->why, name);
	return k->set(w, name, value, e);
}

/* --- values of the file --- */

/* A list as its items with commas between: what `cpus` allows. */
static int join_list(XLU_ConfigList *list, int n, char *to, size_t room)
{
	size_t used = 0;

	to[0] = '\0';
	for (int i = 0; i < n; i++) {
		const char *item = xlu_cfg_get_listitem(list, i);
		int len = snprintf(to + used, room - used, "%s%s", i ? "," : "", item ? item : "");

		if (len < 0 || (size_t)len >= room - used)
			return -E2BIG;
		used += (size_t)len;
	}
	return 0;
}

static int from_file(const char *name, void *arg, struct err *e)
{
	struct walk *w = arg;
	XLU_ConfigList *list = NULL;
	const char *value = NULL;
	char joined[4096];
	int n = 0;

	if (xlu_cfg_get_list(w->xlu, name, &list, &n, 1) == 0) {
		if (n == 0)
			return 0; /* vif = []: nothing asked for */
		if (join_list(list, n, joined, sizeof(joined)) < 0)
			return err_set(e, E2BIG, "%s: the list is too long", name);
		return set_key(w, name, joined, e);
	}
	if (xlu_cfg_get_string(w->xlu, name, &value, 1) != 0 || !value)
		return err_set(e, EINVAL, "%s: has no value that can be read", name);
	return set_key(w, name, value, e);
}

/* Text and overrides as one, in that order: the later one counts, as in xl. */
static char *whole_text(const struct vmcfg *v, size_t *len)
{
	FILE *f;
	char *text = NULL;
	bool ok = true;

	*len = 0;
	f = open_memstream(&text, len);
	if (!f)
		return NULL;
	if (v->text_len)
		ok = fwrite(v->text, 1, v->text_len, f) == v->text_len && fputc('\n', f) != EOF;
	for (uint32_t i = 0; ok && i < v->override.n; i++)
		ok = fprintf(f, "%s\n", v->override.item[i]) > 0;
	if (fclose(f) != 0 || !ok) {
		free(text);
		return NULL;
	}
	return text;
}

/* xlu's report as one line, without the "config parsing error" words around it. */
static int syntax_error(char *report, struct err *e)
{
	char *end = report ? strchr(report, '\n') : NULL;

	if (end)
		*end = '\0';
	return err_set(e, EINVAL, "%s", report && *report ? report : "the configuration cannot be read");
}

static int read_text(struct walk *w, struct err *e)
{
	char *report = NULL;
	size_t report_len = 0;
	size_t len;
	char *text = whole_text(w->v, &len);
	FILE *f = open_memstream(&report, &report_len);
	int rc = -ENOMEM;

	if (!text || !f)
		goto out;
	if (len > INT32_MAX || memchr(text, '\0', len)) {
		rc = err_set(e, EINVAL, "the configuration is not text");
		goto out;
	}
	w->xlu = xlu_cfg_init(f, w->v->name ? w->v->name : "config");
	if (!w->xlu)
		goto out;
	rc = xlu_cfg_readdata(w->xlu, text, (int)len);
	(void)fflush(f);
	if (rc != 0)
		rc = syntax_error(report, e);
	else
		rc = cfglex_keys(text, len, from_file, w, e);
out:
	if (rc == -ENOMEM && e->code == 0)
		(void)err_set(e, ENOMEM, "out of memory");
	if (w->xlu)
		xlu_cfg_destroy(w->xlu);
	w->xlu = NULL;
	if (f)
		(void)fclose(f);
	free(report);
	free(text);
	return rc;
}

static int apply_sets(struct walk *w, struct err *e)
{
	for (uint32_t i = 0; i < w->v->set.n; i++) {
		char *eq = strchr(w->v->set.item[i], '=');
		int rc;

		if (!eq)
			return err_set(e, EINVAL, "\"%s\": not of the form key=value", w->v->set.item[i]);
		*eq = '\0';
		rc = set_key(w, w->v->set.item[i], eq + 1, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* root and extra make a command line when cmdline does not say it: as xl does. */
static int join_cmdline(struct walk *w, struct err *e)
{
	char *line = NULL;

	if (w->have_cmdline || (!w->root && !w->extra))
		return 0;
	if (asprintf(&line, "%s%s%s%s", w->root ? "root=" : "", w->root ? w->root : "",
		     w->root && w->extra ? " " : "", w->extra ? w->extra : "") < 0)
		return err_set(e, ENOMEM, "out of memory");
	free(w->c->cmdline);
	w->c->cmdline = line;
	return 0;
}

static int warn(struct walk *w, struct err *e)
{
	char text[320];
	int len;

	if (w->harmless[0] == '\0')
		return 0;
	len = snprintf(text, sizeof(text), "these keys do nothing here and were passed over: %s",
		       w->harmless);
	if (vmcfg_add(&w->v->warning, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1) < 0)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int vmcfg_parse(struct vmcfg *v, struct vm_config *out, struct err *e)
{
	struct walk w = {.v = v, .c = out};
	int rc = 0;

	vm_config_init(out);
	if (v->text || v->override.n)
		rc = read_text(&w, e);
	if (rc == 0)
		rc = apply_sets(&w, e);
	if (rc == 0)
		rc = join_cmdline(&w, e);
	if (rc == 0)
		rc = warn(&w, e);
	free(w.root);
	free(w.extra);
	if (rc < 0)
		vm_config_clear(out);
	return rc;
}

int vmcfg_add(struct vmcfg_list *l, const char *text, size_t len)
{
	char **grown = realloc(l->item, (l->n + 1) * sizeof(char *));

	if (!grown)
		return -ENOMEM;
	l->item = grown;
	l->item[l->n] = strndup(text, len);
	if (!l->item[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

static void clear_list(struct vmcfg_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct vmcfg_list){0};
}

void vmcfg_clear(struct vmcfg *v)
{
	free(v->text);
	free(v->name);
	free(v->cwd);
	clear_list(&v->override);
	clear_list(&v->set);
	clear_list(&v->ignore);
	clear_list(&v->warning);
	*v = (struct vmcfg){0};
}
