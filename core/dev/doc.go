// Package dev runs a router with a plugin that is being written: smartrouter
// plugin dev.
//
//	dev.go      Run: build, run, and again at each save
//	project.go  Project: the plugin's folder, and how it is built
//	files.go    what was saved
//	watch.go    each call to the plugin, told as it happens
//	tell.go     in words
//
// The router is a whole one, with the project's configuration. A plugin that
// does not build, or does not start, changes nothing: the one before goes on.
package dev
