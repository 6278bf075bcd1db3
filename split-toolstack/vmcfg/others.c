/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that are not supported: those without effect, those that are refused, and unknown ones.
 * xl's keys and their effect on PV and PVH guests: xl.cfg(5). */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct other {
	const char *name;
	const char *neutral; /* values, separated by spaces, that equal the default */
	const char *why;     /* why it is refused; NULL: it has no effect */
};

#define NO "0"

static const struct other others[] = {
	/* Without effect on PV and PVH guests, or on any guest of this Xen. */
	{"acpi", NULL, NULL},
	{"acpi_firmware", NULL, NULL},
	{"acpi_laptop_slate", NO, NULL},
	{"acpi_s3", NO, NULL},
	{"acpi_s4", NO, NULL},
	{"altp2mhvm", NO, NULL},
	{"apic", NULL, NULL},
	{"bios", NULL, NULL},
	{"bios_path_override", NULL, NULL},
	{"boot", NULL, NULL},
	{"bootloader_args", NULL, NULL},
	{"claim_mode", NULL, NULL},
	{"device_model_args", NULL, NULL},
	{"device_model_args_hvm", NULL, NULL},
	{"device_model_args_pv", NULL, NULL},
	{"device_model_override", NULL, NULL},
	{"device_model_stubdomain_override", NO, NULL},
	{"device_model_stubdomain_seclabel", NULL, NULL},
	{"device_model_user", NULL, NULL},
	{"device_model_version", NULL, NULL},
	{"device_tree", NULL, NULL},
	{"display", NULL, NULL},
	{"dm_restrict", NO, NULL},
	{"extratime", NULL, NULL},
	{"firmware_override", NULL, NULL},
	{"gfx_passthru", NULL, NULL},
	{"gic_version", NULL, NULL},
	{"hap", NULL, NULL},
	{"hdtype", NULL, NULL},
	{"hpet", NULL, NULL},
	{"keymap", NULL, NULL},
	{"latency", NULL, NULL},
	{"localtime", NO, NULL},
	{"mca_caps", NULL, NULL},
	{"mmio_hole", NULL, NULL},
	{"ms_vm_genid", "none", NULL},
	{"nographic", NULL, NULL},
	{"nomigrate", NO, NULL},
	{"nx", NULL, NULL},
	{"on_soft_reset", NULL, NULL},
	{"on_watchdog", NULL, NULL},
	{"oos", NULL, NULL},
	{"opengl", NULL, NULL},
	{"pae", NULL, NULL},
	{"pci_msitranslate", NULL, NULL},
	{"pci_permissive", NULL, NULL},
	{"pci_power_mgmt", NULL, NULL},
	{"pci_seize", NULL, NULL},
	{"period", NO, NULL},
	{"pool", "Pool-0", NULL},
	{"pvshim_cmdline", NULL, NULL},
	{"pvshim_extra", NULL, NULL},
	{"pvshim_path", NULL, NULL},
	{"rdm", NULL, NULL},
	{"rdm_mem_boundary", NULL, NULL},
	{"sdl", NULL, NULL},
	{"serial", NULL, NULL},
	{"shadow_memory", NULL, NULL},
	{"slice", NULL, NULL},
	{"smbios_firmware", NULL, NULL},
	{"soundhw", NULL, NULL},
	{"spice", NO, NULL},
	{"spice_clipboard_sharing", NULL, NULL},
	{"spice_image_compression", NULL, NULL},
	{"spice_streaming_video", NULL, NULL},
	{"spiceagent_mouse", NULL, NULL},
	{"spicedisable_ticketing", NULL, NULL},
	{"spicehost", NULL, NULL},
	{"spicepasswd", NULL, NULL},
	{"spiceport", NULL, NULL},
	{"spicetls_port", NULL, NULL},
	{"spiceusbredirection", NULL, NULL},
	{"spicevdagent", NULL, NULL},
	{"stdvga", NULL, NULL},
	{"stubdomain_cmdline", NULL, NULL},
	{"stubdomain_kernel", NULL, NULL},
	{"stubdomain_memory", NULL, NULL},
	{"stubdomain_ramdisk", NULL, NULL},
	{"tee", "none", NULL},
	{"usb", NULL, NULL},
	{"usbdevice", NULL, NULL},
	{"usbversion", NULL, NULL},
	{"vendor_device", "none", NULL},
	{"vfb", NULL, NULL},
	{"vga", NULL, NULL},
	{"videoram", NULL, NULL},
	{"viridian", NO, NULL},
	{"vkb_device", NULL, NULL},
	{"vnc", NULL, NULL},
	{"vncconsole", NULL, NULL},
	{"vncdisplay", NULL, NULL},
	{"vnclisten", NULL, NULL},
	{"vncpasswd", NULL, NULL},
	{"vncunused", NULL, NULL},
	{"vncviewer", NULL, NULL},
	{"vpt_align", NULL, NULL},
	{"vuart", NULL, NULL},
	{"xauthority", NULL, NULL},
	{"xen_platform_pci", NULL, NULL},
	{"xend_suspend_evtchn_compat", NULL, NULL},

	/* Without these the guest would get something else, or be less isolated. */
	{"altp2m", NO " disabled", "views of memory are not supported"},
	{"bootloader", NULL,
	 "boot loaders in dom0 are not supported; name a kernel, or GRUB's Xen image"},
	{"channel", NULL, "channels are not supported"},
	{"cpuid", "host", "CPUID policies are not supported yet"},
	{"cpus_soft", "all", "soft affinity is not supported"},
	{"driver_domain", NO, "driver domains are not supported"},
	{"dtdev", NULL, "device passthrough is not supported"},
	{"e820_host", NO, "device passthrough is not supported"},
	{"firmware", NULL, "firmware images are not supported"},
	{"iomem", NULL, "device passthrough is not supported"},
	{"ioports", NULL, "device passthrough is not supported"},
	{"irqs", NULL, "device passthrough is not supported"},
	{"msr_relaxed", NO, "relaxed MSRs are not supported"},
	{"nestedhvm", NO, "nested virtualization is not supported"},
	{"p9", NULL, "9p shares are not supported"},
	{"passthrough", "disabled default", "device passthrough is not supported"},
	{"pci", NULL, "PCI passthrough is not supported"},
	{"pvcalls", NULL, "PV calls are not supported"},
	{"pvshim", NO, "the PV shim is not supported"},
	{"rtc_timeoffset", NO, "guests have the host's clock"},
	{"timer_mode", "1 no_delay_for_missed_ticks", "timer modes are not supported"},
	{"tsc_mode", NO " default", "TSC modes are not supported"},
	{"usbctrl", NULL, "USB is not supported"},
	{"usbdev", NULL, "USB is not supported"},
	{"vdispl", NULL, "displays are not supported"},
	{"vkb", NULL, "keyboards are not supported"},
	{"vmtrace_buf_kb", NO, "traces of guests are not supported"},
	{"vnuma", NULL, "virtual NUMA nodes are not supported"},
	{"vpmu", NO, "performance counters are not supported"},
	{"vsnd", NULL, "sound is not supported"},
	{"vtpm", NULL, "vTPMs are not supported"},
};

static bool is_neutral(const struct other *o, const char *value)
{
	const char *at = o->neutral;
	size_t len;

	if (!value)
		return false;
	if (*value == '\0')
		return true;
	for (len = strlen(value); at && *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strncmp(at, value, len) == 0 && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static int note(struct vmcfg_list *l, const char *text, struct err *e)
{
	return vmcfg_add(l, text, strlen(text)) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

/* Each key once. */
static int note_key(struct vmcfg_list *l, const char *name, struct err *e)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i], name) == 0)
			return 0;
	return note(l, name, e);
}

int vmcfg_refuse_key(struct vmcfg_walk *w, const char *name, const char *why, struct err *e)
{
	uint32_t before = w->refused.n;
	int rc = note_key(&w->refused, name, e);

	return rc == 0 && w->refused.n > before ? note(&w->refused_why, why, e) : rc;
}

int vmcfg_other_key(struct vmcfg_walk *w, const char *name, const char *value, struct err *e)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct other *o = &others[i];

		if (strcmp(o->name, name) != 0)
			continue;
		if (is_neutral(o, value))
			return 0;
		if (!o->why)
			return note_key(&w->harmless, name, e);
		return vmcfg_refuse_key(w, name, o->why, e);
	}
	return note_key(&w->unknown, name, e);
}

/* --- telling --- */

/* "a, b, c", as far as there is room. */
static void join(const struct vmcfg_list *l, const char *comma, char *to, size_t room)
{
	size_t used = strlen(to);

	for (uint32_t i = 0; i < l->n && used < room; i++) {
		int len = snprintf(to + used, room - used, "%s%s", i ? comma : "", l->item[i]);

		used += len < 0 ? 0 : (size_t)len;
	}
	if (used >= room)
		(void)snprintf(to + room - 4, 4, "...");
}

int vmcfg_refuse(struct vmcfg_walk *w, struct err *e)
{
	uint32_t unknown = w->v->xl ? 0 : w->unknown.n;
	char names[160] = "";
	char all[320] = "";
	size_t used = 0;

	if (unknown + w->refused.n == 0)
		return 0;
	if (unknown == 1 && w->refused.n == 0)
		return err_set(e, EOPNOTSUPP,
			       "%s: an unknown key; correct it, or leave it out with --ignore %s",
			       w->unknown.item[0], w->unknown.item[0]);
	if (unknown == 0 && w->refused.n == 1)
		return err_set(e, EOPNOTSUPP, "%s: %s; remove it, or leave it out with --ignore %s",
			       w->refused.item[0], w->refused_why.item[0], w->refused.item[0]);
	if (unknown) {
		join(&w->unknown, ",", names, sizeof(names));
		join(&w->unknown, ", ", all, sizeof(all) - sizeof(": unknown keys"));
		used = strlen(all);
		(void)snprintf(all + used, sizeof(all) - used,
			       unknown > 1 ? ": unknown keys" : ": an unknown key");
	}
	used = strlen(all);
	for (uint32_t i = 0; i < w->refused.n && used < sizeof(all); i++) {
		int len = snprintf(all + used, sizeof(all) - used, "%s%s: %s", used ? "; " : "",
				   w->refused.item[i], w->refused_why.item[i]);

		used += len < 0 ? 0 : (size_t)len;
	}
	if (w->refused.n && names[0])
		(void)strncat(names, ",", sizeof(names) - strlen(names) - 1);
	join(&w->refused, ",", names, sizeof(names));
	return err_set(e, EOPNOTSUPP,
		       "%s; correct or remove them, or leave them out with --ignore %s", all,
		       names);
}

static int warn(struct vmcfg_walk *w, const struct vmcfg_list *keys, const char *what,
		struct err *e)
{
	char text[480];

	if (keys->n == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%s: ", what);
	join(keys, ", ", text, sizeof(text));
	return vmcfg_warning(&w->v->warning, text, e);
}

int vmcfg_warn(struct vmcfg_walk *w, struct err *e)
{
	int rc = warn(w, &w->harmless, "these keys have no effect on PV and PVH guests", e);

	if (rc == 0 && w->v->xl)
		rc = warn(w, &w->unknown, "unknown keys were ignored, as by xl", e);
	return rc;
}
