// Package scaffold writes a plugin's first project: the plugin, its test, a
// configuration that runs with it, and a README.
//
//	project.go  Project: what is asked for, and what is written
//	module.go   a Go project's module: which SDK it is built against
//	protos.go   the contract, for other languages
//
//	templates/<language>/<kind>  one folder for each kind of project
//	templates/<language>/common  what all of a language have
//
// A template is a project that works as it stands, named plugin-name: those in
// Go are packages of this module, built and tested like all others. A new kind is
// a new folder. Text that must not be found by the go command or by git under its
// own name has none here: gitignore becomes .gitignore.
package scaffold
